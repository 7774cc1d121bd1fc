//! Charts as their readers meet them: valid XML, text inside the canvas and apart, the right marks at the right places.

mod samples;

use folio_chart::{Error, ForecastChart, FrontierChart, Options, Result, Theme, Time, WeightsChart, Width};
use proptest::prelude::*;
use roxmltree::{Document, Node};

const WIDTHS: [i64; 5] = [320, 400, 800, 1600, 3840];

fn options(width: i64, theme: &str) -> Options {
    Options { width: Width::new(width).unwrap(), theme: Theme::parse(theme).unwrap() }
}

fn plain() -> Options {
    options(800, "light")
}

/// Every kind of chart, as a function of its options.
type Draw = fn(Options) -> Result<String>;
const CHARTS: [(&str, Draw); 10] = [
    ("forecast", |options| samples::forecast("AAPL", 126, 21, 0).svg(options)),
    ("members", |options| samples::forecast("AAPL", 60, 21, 8).svg(options)),
    ("a year ahead", |options| samples::forecast("AAPL", 1000, 252, 0).svg(options)),
    ("one step", |options| samples::forecast("A", 5, 1, 8).svg(options)),
    ("one price", |options| samples::forecast("A", 1, 1, 0).svg(options)),
    ("frontier", |options| samples::frontier(20).svg(options)),
    ("weights", |options| samples::weights("growth", 24, 14).svg(options)),
    ("one rebalance", |options| samples::weights("growth", 1, 3).svg(options)),
    ("accuracy", |options| samples::accuracy("AAPL", 8, 21).svg(options)),
    ("one outcome", |options| samples::accuracy("AAPL", 1, 1).svg(options)),
];

/// A number of an attribute, in pixels.
fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let text = node.attribute(name).unwrap_or_else(|| panic!("no {name} in {node:?}"));
    text.parse::<f64>().unwrap_or_else(|_| panic!("{name}: {text}")) / 10.0
}

fn elements<'a>(document: &'a Document<'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

/// Advance widths of DejaVu Sans from the space on, in thousandths of an em: the widest of the fonts that readers have.
#[rustfmt::skip]
const REGULAR: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
];

/// Those of its bold cut.
#[rustfmt::skip]
const BOLD: [u16; 95] = [
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696,
    696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995,
    837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716,
    678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712,
    365, 712, 838,
];

#[derive(Debug)]
struct TextBox {
    text: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Where a text lies. Letters reach from 0.76 em over the baseline to 0.24 em under it.
fn text_box(node: Node<'_, '_>) -> TextBox {
    let text = node.text().unwrap_or_default().trim().to_owned();
    let size = number(node, "font-size");
    let table = if node.attribute("font-weight") == Some("bold") { BOLD } else { REGULAR };
    let advance = |c: char| match c {
        ' '..='~' => f64::from(table[c as usize - 32]) / 1000.0,
        '\u{A0}' => 0.35,
        '−' => 0.838,
        _ => 1.05,
    };
    let width = text.chars().map(advance).sum::<f64>() * size;
    let (x, y) = (number(node, "x"), number(node, "y"));
    let left = match node.attribute("text-anchor") {
        Some("start") => x,
        Some("middle") => x - width / 2.0,
        Some("end") => x - width,
        other => panic!("text-anchor {other:?}"),
    };
    let baseline = match node.attribute("dy") {
        Some("0.76em") => y + 0.76 * size,
        // The height of an x is about half an em.
        Some("0.5ex") => y + 0.27 * size,
        Some("-0.5ex") => y - 0.27 * size,
        other => panic!("dy {other:?}"),
    };
    TextBox { text, left, right: left + width, top: baseline - 0.76 * size, bottom: baseline + 0.24 * size }
}

fn assert_texts_are_apart(svg: &str, about: &str) {
    let document = Document::parse(svg).unwrap();
    let root = document.root_element();
    let (width, height) = (number(root, "width") * 10.0, number(root, "height") * 10.0);
    let texts: Vec<TextBox> = elements(&document, "text").map(text_box).collect();
    for text in &texts {
        let inside = text.left >= 0.0 && text.right <= width && text.top >= 0.0 && text.bottom <= height;
        assert!(inside, "{about}: {:?} is outside of {width} x {height}: {text:?}", text.text);
    }
    for (index, a) in texts.iter().enumerate() {
        for b in &texts[..index] {
            // Lines of text may touch, letters hardly fill their boxes.
            let overlap =
                a.left < b.right && b.left < a.right && a.top + 1.0 < b.bottom && b.top + 1.0 < a.bottom;
            assert!(!overlap, "{about}: {:?} over {:?}: {a:?} {b:?}", a.text, b.text);
        }
    }
}

#[test]
fn texts_lie_inside_and_apart_at_every_width() {
    for (name, draw) in CHARTS {
        for width in WIDTHS {
            assert_texts_are_apart(&draw(options(width, "light")).unwrap(), &format!("{name} at {width}"));
        }
    }
}

#[test]
fn text_has_a_readable_size_at_every_width() {
    for (name, draw) in CHARTS {
        for width in WIDTHS {
            let svg = draw(options(width, "light")).unwrap();
            let document = Document::parse(&svg).unwrap();
            let smallest = elements(&document, "text").map(|text| number(text, "font-size"));
            assert!(smallest.fold(f64::INFINITY, f64::min) >= 11.9, "{name} at {width}");
        }
    }
}

#[test]
fn both_axes_have_ticks_at_every_width() {
    for (name, draw) in CHARTS {
        for width in WIDTHS {
            let svg = draw(options(width, "light")).unwrap();
            let document = Document::parse(&svg).unwrap();
            // A vertical axis writes to the left of the plot, a horizontal one under its middle.
            let count = |anchor: &str, dy: &str| {
                let is = |text: &Node<'_, '_>| {
                    text.attribute("text-anchor") == Some(anchor) && text.attribute("dy") == Some(dy)
                };
                elements(&document, "text").filter(is).count()
            };
            assert!(count("end", "0.5ex") >= 2, "{name} at {width}: vertical axis");
            assert!(count("middle", "0.76em") >= 1, "{name} at {width}: horizontal axis");
        }
    }
}

#[test]
fn a_screen_reader_has_a_title_and_the_numbers() {
    for (name, draw) in CHARTS {
        let svg = draw(plain()).unwrap();
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"), "{name}");
        let ids: Vec<&str> = root.attribute("aria-labelledby").unwrap().split(' ').collect();
        let labelled = |id: &&str| document.descendants().find(|node| node.attribute("id") == Some(id));
        let labels: Vec<Node<'_, '_>> = ids.iter().filter_map(labelled).collect();
        assert_eq!(labels.len(), 2, "{name}");
        assert!(labels[0].has_tag_name("title") && !labels[0].text().unwrap_or_default().is_empty());
        let description = labels[1].text().unwrap_or_default();
        assert!(labels[1].has_tag_name("desc") && description.chars().any(|c| c.is_ascii_digit()), "{name}");
    }
    let description = samples::forecast("AAPL", 126, 21, 0).svg(plain()).unwrap();
    for words in ["AAPL closed at", "28\u{A0}Dec\u{A0}2022", "21 trading days ahead", "95\u{A0}% interval"] {
        assert!(description.contains(words), "{words}");
    }
}

#[test]
fn the_same_values_give_the_same_bytes_and_others_another_identifier() {
    for (name, draw) in CHARTS {
        assert_eq!(draw(plain()), draw(plain()), "{name}");
    }
    let id =
        |svg: String| Document::parse(&svg).unwrap().root_element().attribute("class").map(str::to_owned);
    let [a, b] = ["A", "B"].map(|ticker| id(samples::forecast(ticker, 50, 5, 0).svg(plain()).unwrap()));
    assert!(a.is_some() && a != b);
}

#[test]
fn the_automatic_theme_is_the_light_one_with_a_dark_colour_for_each_light_one() {
    for (name, draw) in CHARTS {
        let [light, dark, auto] = ["light", "dark", "auto"].map(|theme| draw(options(800, theme)).unwrap());
        assert!(!light.contains("prefers-color-scheme") && !dark.contains("prefers-color-scheme"));
        assert!(auto.contains("@media (prefers-color-scheme:dark)"), "{name}");
        // What the rules make of the light elements is what the dark theme draws.
        let rules: Vec<(&str, &str)> = auto
            .lines()
            .filter_map(|line| {
                let (selector, rule) = line.split_once(" [")?.1.split_once("]{")?;
                Some((selector, rule.trim_end_matches('}')))
            })
            .collect();
        let light_body = light.split_once("</style>\n").unwrap().1;
        let mut expected = light_body.to_owned();
        for (selector, rule) in &rules {
            let (attribute, colour) = rule.split_once(':').unwrap();
            // A mark keeps what is replaced once from being replaced again.
            expected = expected.replace(selector, &format!("{attribute}=\"~{colour}\""));
        }
        assert_eq!(expected.replace("\"~#", "\"#"), dark.split_once("</style>\n").unwrap().1, "{name}");
    }
}

const HOSTILE: [&str; 8] = [
    "<script>alert('1')</script>",
    "\"]]> & <!-- --> <svg onload=\"x()\">",
    "\u{0}\u{1}\u{8}\u{B}\u{FFFE}\u{FFFF}",
    "\u{202E}LPAA\u{2066}",
    "שלום株式会社🚀",
    "",
    " \n\t ",
    "&#x3C;script&#x3E;",
];

#[test]
fn hostile_names_are_text_and_nothing_else() {
    let long = "W".repeat(10_000);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        let mut frontier = samples::frontier(5);
        let mut weights = samples::weights(name, 5, 4);
        let mut forecast = samples::forecast(name, 50, 5, 2);
        frontier.assets[2].name = name.to_owned();
        weights.rebalances.iter_mut().for_each(|rebalance| rebalance.weights[1].0 = name.to_owned());
        forecast.members[0].name = name.to_owned();
        forecast.note = Some(name.to_owned());
        for width in [320, 1600] {
            let options = options(width, "auto");
            let charts = [
                forecast.svg(options),
                frontier.svg(options),
                weights.svg(options),
                samples::accuracy(name, 2, 5).svg(options),
            ];
            for svg in charts {
                let svg = svg.unwrap();
                let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {name:?}"));
                for node in document.descendants().filter(Node::is_element) {
                    let known = [
                        "svg", "title", "desc", "style", "text", "rect", "polyline", "polygon", "circle",
                        "line",
                    ];
                    assert!(known.contains(&node.tag_name().name()), "{node:?}");
                    assert!(
                        node.attributes().all(|attribute| !attribute.name().starts_with("on")),
                        "{node:?}"
                    );
                }
                let shown = |text: &str| text.chars().any(|c| c != '\n' && c.is_control());
                assert!(!document.descendants().filter_map(|node| node.text()).any(shown), "{name:?}");
                if name != "שלום株式会社🚀" {
                    assert_texts_are_apart(&svg, name.get(..20).unwrap_or(name));
                }
            }
        }
    }
}

#[test]
fn without_values_there_is_an_error_and_no_chart() {
    let mut forecast = samples::forecast("A", 50, 5, 0);
    forecast.path.clear();
    assert_eq!(forecast.svg(plain()), Err(Error::Empty { what: "forecast" }));
    forecast.history.clear();
    assert_eq!(forecast.svg(plain()), Err(Error::Empty { what: "prices" }));
    let frontier = FrontierChart { frontier: vec![], ..samples::frontier(3) };
    assert_eq!(frontier.svg(plain()), Err(Error::Empty { what: "frontier" }));
    let none = WeightsChart { portfolio: "p".to_owned(), rebalances: vec![] };
    assert_eq!(none.svg(plain()), Err(Error::Empty { what: "weights" }));
    let mut zero = samples::weights("p", 3, 3);
    let all = zero.rebalances.iter_mut().flat_map(|rebalance| &mut rebalance.weights);
    all.for_each(|(_, weight)| *weight = 0.0);
    assert_eq!(zero.svg(plain()), Err(Error::Empty { what: "weights" }));
    let mut accuracy = samples::accuracy("A", 2, 5);
    accuracy.paths = vec![vec![], vec![]];
    assert_eq!(accuracy.svg(plain()), Err(Error::Empty { what: "outcomes" }));
}

#[test]
fn numbers_that_have_no_place_are_refused_wherever_they_stand() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1e200] {
        let mut charts: Vec<Result<String>> = Vec::new();
        let spoilt = |spoil: &dyn Fn(&mut ForecastChart)| {
            let mut chart = samples::forecast("A", 50, 5, 2);
            spoil(&mut chart);
            chart.svg(plain())
        };
        charts.push(spoilt(&|chart| chart.history[3].1 = bad));
        charts.push(spoilt(&|chart| chart.path[3].1 = bad));
        charts.push(spoilt(&|chart| chart.bands[1].bounds[2].0 = bad));
        charts.push(spoilt(&|chart| chart.bands[2].bounds[4].1 = bad));
        charts.push(spoilt(&|chart| chart.members[1].path[0] = bad));
        let mut frontier = samples::frontier(5);
        frontier.assets[4].expected_return = bad;
        charts.push(frontier.svg(plain()));
        let mut weights = samples::weights("p", 5, 3);
        weights.rebalances[2].weights[1].1 = bad;
        charts.push(weights.svg(plain()));
        let mut accuracy = samples::accuracy("A", 2, 5);
        accuracy.paths[1][3].actual = bad;
        charts.push(accuracy.svg(plain()));
        for (index, chart) in charts.into_iter().enumerate() {
            assert!(matches!(chart, Err(Error::NotDrawable { .. })), "chart {index} with {bad}");
        }
    }
}

#[test]
fn times_at_the_ends_of_the_calendar_are_drawn() {
    const DAY: i64 = 86_400_000_000;
    // The first and nearly the last time of Postgres, and the last one there can be.
    for last in [-210_866_803_200_000_000 + DAY, 9_223_371_331_200_000_000 - DAY, i64::MAX] {
        let mut chart = samples::forecast("A", 2, 1, 0);
        let times = chart.history.iter_mut().chain(&mut chart.path).map(|(time, _)| time);
        times.zip([2, 1, 0]).for_each(|(time, before)| *time = Time(last - before));
        assert_texts_are_apart(&chart.svg(plain()).unwrap(), &last.to_string());
    }
}

/// What the vertical axis says of a height: read from two of its labels, as a person would.
fn value_at(document: &Document<'_>, y: f64) -> f64 {
    let ticks: Vec<(f64, f64)> = elements(document, "text")
        .filter(|text| text.attribute("text-anchor") == Some("end") && text.attribute("dy") == Some("0.5ex"))
        .map(|text| {
            let label = text.text().unwrap().trim().replace([',', '%', '\u{A0}', ' '], "").replace('−', "-");
            (number(text, "y"), label.parse().unwrap())
        })
        .collect();
    let ((low_y, low), (high_y, high)) = (ticks[0], ticks[ticks.len() - 1]);
    low + (y - low_y) / (high_y - low_y) * (high - low)
}

#[test]
fn the_forecast_lies_where_the_axis_says() {
    let chart = samples::forecast("AAPL", 126, 21, 0);
    let svg = chart.svg(options(1600, "light")).unwrap();
    let document = Document::parse(&svg).unwrap();
    let points = |node: Node<'_, '_>| -> Vec<(f64, f64)> {
        let pair = |pair: &str| {
            let (x, y) = pair.split_once(',').unwrap();
            (x.parse::<f64>().unwrap() / 10.0, y.parse::<f64>().unwrap() / 10.0)
        };
        node.attribute("points").unwrap().split_whitespace().map(pair).collect()
    };
    let lines: Vec<Vec<(f64, f64)>> = elements(&document, "polyline").map(points).collect();
    let history = lines.iter().find(|line| line.len() == 126).expect("the line of the prices");
    let path = lines.iter().find(|line| line.len() == 22).expect("the line of the median");
    let tolerance = 0.05; // a tenth of a pixel and a bit, in prices
    for ((_, price), (_, y)) in chart.history.iter().zip(history) {
        assert!((value_at(&document, *y) - price).abs() < tolerance);
    }
    for ((_, price), (_, y)) in chart.path.iter().zip(&path[1..]) {
        assert!((value_at(&document, *y) - price).abs() < tolerance);
    }
    assert!(history.iter().chain(path).is_sorted_by(|a, b| a.0 <= b.0), "time goes to the right");
    // The fan, the widest band first: there along the upper bounds, back along the lower ones.
    let fan: Vec<Vec<(f64, f64)>> = elements(&document, "polygon").map(points).collect();
    assert_eq!(fan.len(), 3);
    for (band, area) in chart.bands.iter().rev().zip(fan) {
        let (low, high) = band.bounds[20];
        assert!((value_at(&document, area[21].1) - high).abs() < tolerance);
        assert!((value_at(&document, area[22].1) - low).abs() < tolerance);
    }
}

#[test]
fn the_layers_of_a_stack_add_up_and_the_small_ones_are_one() {
    let chart = samples::weights("growth", 6, 14);
    let svg = chart.svg(options(1600, "light")).unwrap();
    let document = Document::parse(&svg).unwrap();
    assert_eq!(elements(&document, "polygon").count(), 9);
    assert!(svg.contains("6 others"));
    // Weights that sum to one fill the plot from 0 to 100 %.
    let heights = elements(&document, "polygon").flat_map(|area| {
        let points = area.attribute("points").unwrap().split_whitespace();
        points.map(|pair| pair.split_once(',').unwrap().1.parse::<f64>().unwrap() / 10.0).collect::<Vec<_>>()
    });
    let (top, bottom) = heights.fold((f64::INFINITY, 0.0f64), |(top, bottom), y| (top.min(y), bottom.max(y)));
    assert!((value_at(&document, top) - 100.0).abs() < 0.1);
    assert!(value_at(&document, bottom).abs() < 0.1);
    let zero_lines = |document: &Document<'_>| {
        let ink = |line: &Node<'_, '_>| line.attribute("stroke") == Some("#0B0B0B");
        elements(document, "polyline").filter(ink).count()
    };
    assert_eq!(zero_lines(&document), 0);
    let mut short = chart;
    short.rebalances[3].weights[0].1 = -0.4;
    let svg = short.svg(plain()).unwrap();
    let document = Document::parse(&svg).unwrap();
    assert!(
        zero_lines(&document) == 1
            && elements(&document, "text").any(|text| text.text().unwrap().trim().starts_with('−')),
        "the axis goes below zero"
    );
}

#[test]
fn the_marked_portfolios_are_named_among_any_number_of_tickers() {
    for count in [1, 5, 20, 60, 200] {
        for width in [800, 1600] {
            let svg = samples::frontier(count).svg(options(width, "light")).unwrap();
            assert_texts_are_apart(&svg, &format!("{count} tickers at {width}"));
            let document = Document::parse(&svg).unwrap();
            let bold =
                elements(&document, "text").filter(|text| text.attribute("font-weight") == Some("bold"));
            let bold: Vec<&str> = bold.filter_map(|text| text.text()).map(str::trim).collect();
            assert_eq!(bold, ["Efficient frontier", "Least volatility", "Largest Sharpe"]);
        }
    }
    // Few tickers are all named, on a phone too.
    let svg = samples::frontier(12).svg(options(400, "light")).unwrap();
    for asset in samples::frontier(12).assets {
        assert!(svg.lines().any(|line| line == asset.name), "{}", asset.name);
    }
}

#[test]
fn each_outcome_outside_of_its_interval_is_marked() {
    let chart = samples::accuracy("AAPL", 8, 21);
    let outside =
        |outcome: &&folio_chart::Outcome| !(outcome.lower..=outcome.upper).contains(&outcome.actual);
    let count = chart.paths.iter().flatten().filter(outside).count();
    assert!(count > 0);
    let svg = chart.svg(plain()).unwrap();
    let document = Document::parse(&svg).unwrap();
    // A triangle is drawn twice, the ring of the surface first; one more stands in the legend.
    let triangles = elements(&document, "polygon")
        .filter(|area| area.attribute("points").is_some_and(|points| points.split_whitespace().count() == 3));
    assert_eq!(triangles.count(), 2 * (count + 1));
    let inside = 100.0 * (168 - count) as f64 / 168.0;
    assert!(svg.contains(&format!("{inside:.0}\u{A0}% of 168 outcomes inside the interval")), "{svg}");
}

#[test]
fn paths_that_overlap_are_cut_or_left_out_from_the_newest_back() {
    let all = samples::accuracy("A", 6, 5).paths;
    assert_eq!(folio_chart::apart(all.clone()), all);
    let mut overlapping = all.clone();
    // Three of five days remain of one, two of five of another.
    overlapping[4] = all[4][..3].iter().chain(&all[5][..2]).copied().collect();
    overlapping[2] = all[2][..2].iter().chain(&all[3][..3]).copied().collect();
    overlapping.insert(3, vec![]);
    let cut = all[4][..3].to_vec();
    assert_eq!(folio_chart::apart(overlapping), [&all[0], &all[1], &all[3], &cut, &all[5]].map(Vec::clone));
}

#[test]
fn outcomes_are_not_joined_over_what_is_unknown() {
    let mut chart = samples::accuracy("A", 6, 21);
    let lines = |chart: &folio_chart::AccuracyChart| {
        let svg = chart.svg(plain()).unwrap();
        let polylines =
            svg.lines().filter(|line| line.starts_with("<polyline")).map(|line| line.matches(',').count());
        polylines.filter(|points| *points > 21).collect::<Vec<_>>()
    };
    assert_eq!(lines(&chart), [126]);
    chart.paths.remove(2);
    assert_eq!(lines(&chart), [42, 63]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any prices at any times: the chart is XML, every text is inside and apart, every point is on the canvas.
    #[test]
    fn any_values_give_a_sound_chart(
        prices in prop::collection::vec(
            prop_oneof![1e-12..1e12f64, Just(100.0), Just(1e100), Just(-1e100), Just(0.0)], 2..40),
        start in -200_000_000_000_000_000i64..8_000_000_000_000_000_000,
        gap in prop_oneof![Just(1i64), 1_000_000i64..100_000_000_000_000],
        width in 320i64..3840,
    ) {
        let time = |index: usize| Time(start + index as i64 * gap);
        let (history, path) = prices.split_at(prices.len() / 2);
        let chart = ForecastChart {
            ticker: "TICKER".to_owned(),
            history: history.iter().enumerate().map(|(index, price)| (time(index), *price)).collect(),
            path: path.iter().enumerate().map(|(index, price)| (time(history.len() + index), *price)).collect(),
            bands: vec![folio_chart::Band {
                level: 0.8,
                bounds: path.iter().map(|price| (price - price.abs() / 2.0, price + price.abs() / 2.0)).collect(),
            }],
            members: vec![],
            note: None,
        };
        let svg = match chart.svg(options(width, "auto")) {
            Ok(svg) => svg,
            // A bound half as large again may lie beyond what is drawn.
            Err(Error::NotDrawable { value, .. }) => { prop_assert!(value.abs() > 1e100); return Ok(()) }
            Err(error) => { prop_assert!(false, "{error}"); return Ok(()) }
        };
        assert_texts_are_apart(&svg, "any values");
        let document = Document::parse(&svg).unwrap();
        let (wide, high) = (width as f64 * 10.0, number(document.root_element(), "height") * 100.0);
        for node in document.descendants() {
            for pair in node.attribute("points").unwrap_or_default().split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                prop_assert!((0.0..=wide).contains(&x) && (0.0..=high).contains(&y), "{pair}");
            }
        }
    }
}
