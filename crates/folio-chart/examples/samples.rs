//! Writes charts of made-up values to look at: cargo run -p folio-chart --example samples -- DIRECTORY

#[path = "../tests/samples/mod.rs"]
mod samples;

use folio_chart::{Options, Theme, Width};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("the directory to write into is missing")?;
    for (width, theme) in [(400, "light"), (400, "dark"), (1600, "light"), (1600, "dark"), (800, "auto")] {
        let options = Options { width: Width::new(width)?, theme: Theme::parse(theme)? };
        let charts = [
            ("forecast", samples::forecast("AAPL", 126, 21, 0).svg(options)),
            ("members", samples::forecast("AAPL", 60, 21, 8).svg(options)),
            ("frontier", samples::frontier(20).svg(options)),
            ("weights", samples::weights("growth", 24, 14).svg(options)),
            ("accuracy", samples::accuracy("AAPL", 8, 21).svg(options)),
        ];
        for (name, svg) in charts {
            std::fs::write(format!("{directory}/{name}-{width}-{theme}.svg"), svg?)?;
        }
    }
    Ok(())
}
