//! What all charts have in common: the title, the legend, the axes, the plot, and what a screen reader says.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::{Axis, Scale};
use crate::label::{self, Rect, SideLabel};
use crate::options::{Options, Theme};
use crate::palette::{self, Role};
use crate::{Error, Result, text};

/// plotters counts in whole units; with ten of them a pixel, lines are smooth.
const UNITS: f64 = 10.0;

/// plotters divides font sizes by this on their way to SVG.
const FONT_FACTOR: f64 = 1.24;

/// The height of a line of text, in its size.
const LINE: f64 = 1.4;

/// The length of a tick; plotters puts its label at twice that.
const TICK: f64 = 4.0;

/// The most that the labels at the right of a plot may take of the width.
const SIDE_SHARE: f64 = 0.36;

/// Under this width there is room for the shortest labels only.
const NARROW: f64 = 600.0;

/// How a series looks in the legend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    Line(Role),
    Area(Role),
    Dot(Role),
    Triangle(Role),
    Square(Role),
}

/// An entry of the legend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub mark: Mark,
    pub text: String,
}

impl Key {
    pub fn new(mark: Mark, text: impl Into<String>) -> Key {
        Key { mark, text: text::clean(&text.into()) }
    }
}

/// A chart before its data are drawn.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    options: Options,
    title: String,
    subtitle: String,
    keys: Vec<Key>,
    description: String,
    /// What the axes are, where the labels of their ticks do not say it.
    axes: Option<(&'static str, &'static str)>,
}

/// Where things are, in pixels.
struct Layout {
    title: Vec<String>,
    subtitle: Vec<String>,
    /// The entries of the legend with their left edges, row by row.
    keys: Vec<Vec<(f64, Key)>>,
    plot_top: f64,
    height: f64,
}

impl Page {
    pub fn new(options: Options, title: &str, subtitle: &str, keys: Vec<Key>, description: &str) -> Page {
        let [title, subtitle, description] = [title, subtitle, description].map(text::clean);
        Page { options, title, subtitle, keys, description, axes: None }
    }

    /// The same page with titles of the horizontal and the vertical axis.
    pub fn with_axes(self, horizontal: &'static str, vertical: &'static str) -> Page {
        Page { axes: Some((horizontal, vertical)), ..self }
    }

    fn width(&self) -> f64 {
        f64::from(self.options.width.pixels())
    }

    /// The size of text: 12 pixels on a phone, 15 on a desktop.
    pub fn font(&self) -> f64 {
        (11.0 + self.width() / 400.0).clamp(12.0, 15.0).round()
    }

    fn title_font(&self) -> f64 {
        (self.font() * 1.4).round()
    }

    fn padding(&self) -> f64 {
        self.font()
    }

    /// Whether there is room for the shortest labels only.
    pub fn is_narrow(&self) -> bool {
        self.width() < NARROW
    }

    fn plot_height(&self) -> f64 {
        (140.0 + self.width() / 4.0).min(640.0).round()
    }

    fn layout(&self) -> Layout {
        let (font, room) = (self.font(), self.width() - 2.0 * self.padding());
        // Bold text is wider by a fixed share, so it gets less room.
        let bold = text::bold_width("m", 1.0) / text::width("m", 1.0);
        let title = text::wrap(&self.title, self.title_font(), room / bold);
        let subtitle = text::wrap(&self.subtitle, font, room);
        let keys = self.legend(room);
        let rows = keys.len() as f64;
        let text_height = title.len() as f64 * self.title_font() * LINE + subtitle.len() as f64 * font * LINE;
        let axis_title = if self.axes.is_some() { font * LINE } else { 0.0 };
        let plot_top = self.padding() + text_height + rows * font * LINE * 1.15 + font + axis_title;
        let below = 2.0 * TICK + font * LINE + axis_title + self.padding();
        let height = plot_top + self.plot_height() + below;
        Layout { title, subtitle, keys, plot_top: plot_top.round(), height: height.round() }
    }

    /// The legend in rows that fit.
    fn legend(&self, room: f64) -> Vec<Vec<(f64, Key)>> {
        let font = self.font();
        let mut rows: Vec<Vec<(f64, Key)>> = Vec::new();
        let mut x = f64::INFINITY;
        for key in &self.keys {
            let text = text::fit(&key.text, font, room - swatch(font));
            let width = swatch(font) + text::width(&text, font);
            if x + width > room {
                rows.push(Vec::new());
                x = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, Key { text, ..key.clone() }));
            }
            x += width + 1.2 * font;
        }
        rows
    }

    /// Draws the chart. `side` are the labels at the right of the plot.
    pub fn svg(
        &self,
        (x, y): (Scale, Scale),
        side: &[SideLabel],
        draw: impl FnOnce(&Plot<'_>) -> Result<()>,
    ) -> Result<String> {
        let layout = self.layout();
        let size = (units(self.width()) as u32, units(layout.height) as u32);
        let mut body = String::new();
        {
            let root = SVGBackend::with_string(&mut body, size).into_drawing_area();
            let ink = Pen { root, theme: self.options.theme, font: self.font() };
            ink.root.fill(&ink.colour(Role::Surface)).map_err(failed)?;
            self.header(&ink, &layout)?;
            let plot = self.plot(ink, &layout, (x, y), side)?;
            draw(&plot)?;
            plot.side_labels(side)?;
            plot.pen.root.present().map_err(failed)?;
        }
        Ok(self.document(&body, layout.height))
    }

    fn header(&self, pen: &Pen<'_>, layout: &Layout) -> Result<()> {
        let (font, title_font) = (self.font(), self.title_font());
        let (left, mut top) = (self.padding(), self.padding());
        for line in &layout.title {
            pen.write(line, (left, top), &Writing { size: title_font, bold: true, ..Writing::new(font) })?;
            top += title_font * LINE;
        }
        for line in &layout.subtitle {
            pen.write(line, (left, top), &Writing { role: Role::Muted, ..Writing::new(font) })?;
            top += font * LINE;
        }
        top += 0.3 * font;
        for row in &layout.keys {
            let middle = top + font * 0.6;
            for (x, key) in row {
                pen.mark(key.mark, (left + x, middle))?;
                let at = (left + x + swatch(font), middle);
                pen.write(&key.text, at, &Writing { vertical: VPos::Center, ..Writing::new(font) })?;
            }
            top += font * LINE * 1.15;
        }
        let Some((horizontal, vertical)) = self.axes else { return Ok(()) };
        let writing = Writing { role: Role::Muted, ..Writing::new(font) };
        let above = layout.plot_top - 0.9 * font;
        pen.write(vertical, (left, above), &Writing { vertical: VPos::Bottom, ..writing })?;
        let at = (self.width() - self.padding(), layout.height - self.padding());
        pen.write(horizontal, at, &Writing { horizontal: HPos::Right, vertical: VPos::Bottom, ..writing })
    }

    /// The axes, and the area between them.
    fn plot<'a>(
        &self,
        pen: Pen<'a>,
        layout: &Layout,
        (x, y): (Scale, Scale),
        side: &[SideLabel],
    ) -> Result<Plot<'a>> {
        let (font, padding, height) = (self.font(), self.padding(), self.plot_height());
        let y = Axis::vertical(y, height, font);
        let left = padding + (y.label_width(font) + 2.0 * TICK).max(2.0 * font).round();
        let widest = side.iter().map(|label| side_width(label, font)).fold(0.0, f64::max);
        let widest = widest.min(SIDE_SHARE * self.width());
        let right = (self.width() - padding - widest.max(2.0 * font)).floor().max(left + 1.0);
        let x = Axis::horizontal(x, right - left, font, (left, self.width() - right));
        let frame = Rect { left, top: layout.plot_top, right, bottom: layout.plot_top + height };
        let bottom = layout.height - frame.bottom;
        let mut context = ChartBuilder::on(&pen.root)
            .margin_top(units(frame.top))
            .margin_right(units(self.width() - right))
            .x_label_area_size(units(bottom))
            .y_label_area_size(units(left))
            .build_cartesian_2d(x, y)
            .map_err(failed)?;
        let labels = pen.text_style(&Writing { role: Role::Muted, ..Writing::new(font) });
        let thin = units(1.0) as u32;
        // An axis without its line has no labels in plotters, so the vertical one is drawn by itself, with a line that
        // cannot be seen.
        context
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .bold_line_style(pen.colour(Role::Grid).stroke_width(thin))
            .axis_style(TRANSPARENT)
            .set_all_tick_mark_size(units(TICK))
            .label_style(labels.clone())
            .draw()
            .map_err(failed)?;
        context
            .configure_mesh()
            .disable_mesh()
            .disable_y_axis()
            .axis_style(pen.colour(Role::Rule).stroke_width(thin))
            .set_all_tick_mark_size(units(TICK))
            .label_style(labels)
            .draw()
            .map_err(failed)?;
        let area = context.plotting_area().clone();
        Ok(Plot { area, pen, frame, room_to: self.width() - padding, is_narrow: self.is_narrow() })
    }

    /// The document: plotters' elements under a root with its size, its description and the reader's colours.
    fn document(&self, drawn: &str, height: f64) -> String {
        let body = drawn.split_once(">\n").map_or("", |(_, body)| body);
        let (width, wide, high) = (self.width(), units(self.width()), units(height));
        // Several charts may stand in one page: their identifiers differ as their contents do.
        let id = format!("folio-{:016x}", hash(&[&self.title, &self.description, body]));
        let mut style = format!(
            ".{id} text{{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
             font-variant-numeric:tabular-nums}}\n"
        );
        if self.options.theme == Theme::Auto {
            let rules = palette::dark_rules(&id, body);
            style.push_str(&format!("@media (prefers-color-scheme:dark){{\n{rules}}}\n"));
        }
        let [title, description] = [&self.title, &self.description].map(|text| escape(text));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{id}\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {wide} {high}\" style=\"max-width:100%;height:auto\" stroke-linejoin=\"round\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-desc\">{description}</desc>\n\
             <style>\n{style}</style>\n{body}"
        )
    }
}

/// Pixels as plotters' units.
fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

/// The width of a legend's mark with the space after it.
fn swatch(font: f64) -> f64 {
    2.0 * font
}

/// Between the plot and the text of a side label: the line to it, and its dot.
fn side_indent(font: f64) -> f64 {
    1.3 * font
}

fn side_width(label: &SideLabel, font: f64) -> f64 {
    let dot = if label.dot.is_some() { font } else { 0.0 };
    // A pixel more, so that what fits exactly is not cut for a rounding.
    side_indent(font) + dot + text_width(&label.text, font, label.strong) + 1.0
}

fn text_width(text: &str, font: f64, bold: bool) -> f64 {
    if bold { text::bold_width(text, font) } else { text::width(text, font) }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Drawing { message: error.to_string() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// FNV-1a: the same on every machine and in every version, unlike the standard library's.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// How a text is written.
#[derive(Clone, Copy)]
pub(crate) struct Writing {
    pub role: Role,
    pub size: f64,
    pub bold: bool,
    pub horizontal: HPos,
    pub vertical: VPos,
}

impl Writing {
    pub fn new(size: f64) -> Writing {
        Writing { role: Role::Ink, size, bold: false, horizontal: HPos::Left, vertical: VPos::Top }
    }

    pub fn centred(size: f64) -> Writing {
        Writing { horizontal: HPos::Center, vertical: VPos::Center, ..Writing::new(size) }
    }
}

/// Draws on the whole page, in pixels.
pub(crate) struct Pen<'a> {
    root: DrawingArea<SVGBackend<'a>, Shift>,
    theme: Theme,
    pub font: f64,
}

impl Pen<'_> {
    fn colour(&self, role: Role) -> RGBColor {
        palette::colour(role, self.theme)
    }

    fn text_style(&self, writing: &Writing) -> TextStyle<'static> {
        let style = if writing.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::SansSerif, writing.size * UNITS * FONT_FACTOR, style);
        font.color(&self.colour(writing.role)).pos(Pos::new(writing.horizontal, writing.vertical))
    }

    pub fn write(&self, text: &str, (x, y): (f64, f64), writing: &Writing) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let text = text::clean(text);
        self.root.draw_text(&text, &self.text_style(writing), (units(x), units(y))).map_err(failed)
    }

    pub fn line(&self, points: &[(f64, f64)], role: Role, width: f64) -> Result<()> {
        let points: Vec<(i32, i32)> = points.iter().map(|&(x, y)| (units(x), units(y))).collect();
        let style = self.colour(role).stroke_width(units(width) as u32);
        self.root.draw(&PathElement::new(points, style)).map_err(failed)
    }

    fn rectangle(&self, rect: Rect, role: Role) -> Result<()> {
        let corners = [(units(rect.left), units(rect.top)), (units(rect.right), units(rect.bottom))];
        self.root.draw(&Rectangle::new(corners, self.colour(role).filled())).map_err(failed)
    }

    /// A point, with a ring of the surface around it that keeps it apart from what lies under it.
    pub fn point(&self, mark: Mark, (x, y): (f64, f64), radius: f64) -> Result<()> {
        let at = (units(x), units(y));
        let draw = |radius: f64, role: Role| match mark {
            Mark::Triangle(_) => {
                let triangle = TriangleMarker::new(at, units(radius * 1.25), self.colour(role).filled());
                self.root.draw(&triangle).map_err(failed)
            }
            Mark::Square(_) => self.rectangle(Rect::around((x, y), radius * 0.9), role),
            _ => self.root.draw(&Circle::new(at, units(radius), self.colour(role).filled())).map_err(failed),
        };
        let (Mark::Line(role)
        | Mark::Area(role)
        | Mark::Dot(role)
        | Mark::Triangle(role)
        | Mark::Square(role)) = mark;
        draw(radius + 1.5, Role::Surface)?;
        draw(radius, role)
    }

    /// A mark of the legend, from its left edge on.
    fn mark(&self, mark: Mark, (x, y): (f64, f64)) -> Result<()> {
        let width = swatch(self.font) - 0.5 * self.font;
        match mark {
            Mark::Line(role) => self.line(&[(x, y), (x + width, y)], role, 2.5),
            Mark::Area(role) => {
                let half = 0.42 * self.font;
                self.rectangle(Rect { left: x, top: y - half, right: x + width, bottom: y + half }, role)
            }
            Mark::Dot(_) | Mark::Triangle(_) | Mark::Square(_) => {
                self.point(mark, (x + width / 2.0, y), 0.36 * self.font)
            }
        }
    }
}

/// The area of the data.
pub(crate) struct Plot<'a> {
    area: DrawingArea<SVGBackend<'a>, Cartesian2d<Axis, Axis>>,
    pub pen: Pen<'a>,
    pub frame: Rect,
    /// How far to the right labels may reach.
    room_to: f64,
    /// Whether there is room for the shortest labels only.
    pub is_narrow: bool,
}

impl Plot<'_> {
    /// Where a value lies on the page, in pixels.
    pub fn position(&self, point: (f64, f64)) -> (f64, f64) {
        let (x, y) = self.area.map_coordinate(&point);
        (f64::from(x) / UNITS, f64::from(y) / UNITS)
    }

    pub fn line(&self, points: Vec<(f64, f64)>, role: Role, width: f64) -> Result<()> {
        if points.len() < 2 {
            return Ok(());
        }
        let style = self.pen.colour(role).stroke_width(units(width) as u32);
        self.area.draw(&PathElement::new(points, style)).map_err(failed)
    }

    /// The area between two lines: one to the right, the other one back.
    pub fn area(&self, there: &[(f64, f64)], back: &[(f64, f64)], role: Role) -> Result<()> {
        let points: Vec<(f64, f64)> = there.iter().chain(back.iter().rev()).copied().collect();
        if points.len() < 3 {
            return Ok(());
        }
        self.area.draw(&Polygon::new(points, self.pen.colour(role).filled())).map_err(failed)
    }

    pub fn point(&self, mark: Mark, at: (f64, f64), radius: f64) -> Result<()> {
        self.pen.point(mark, self.position(at), radius)
    }

    /// A vertical line over the whole height.
    pub fn vertical(&self, x: f64, role: Role) -> Result<()> {
        let (x, _) = self.position((x, 0.0));
        self.pen.line(&[(x, self.frame.top), (x, self.frame.bottom)], role, 1.0)
    }

    /// The labels at the right, each with a line to its value where it had to move away from it.
    fn side_labels(&self, labels: &[SideLabel]) -> Result<()> {
        let font = self.pen.font;
        let wanted: Vec<f64> = labels.iter().map(|label| self.position((0.0, label.value)).1).collect();
        let placed = label::spread(&wanted, font * 1.25, self.frame.top + font / 2.0, self.frame.bottom);
        for ((label, wanted), y) in labels.iter().zip(wanted).zip(placed) {
            let Some(y) = y else { continue };
            let mut x = self.frame.right + side_indent(font);
            if (y - wanted).abs() > 2.0 {
                self.pen.line(&[(self.frame.right + 2.0, wanted), (x - 2.0, y)], Role::Rule, 0.8)?;
            }
            if let Some(dot) = label.dot {
                self.pen.point(Mark::Dot(dot), (x + 0.3 * font, y), 0.32 * font)?;
                x += font;
            }
            let role = if label.strong { Role::Ink } else { Role::Muted };
            let room = self.room_to - x;
            let room =
                if label.strong { room * text::width("m", 1.0) / text::bold_width("m", 1.0) } else { room };
            let text = text::fit(&text::clean(&label.text), font, room);
            let writing = Writing { role, bold: label.strong, vertical: VPos::Center, ..Writing::new(font) };
            self.pen.write(&text, (x, y), &writing)?;
        }
        Ok(())
    }
}
