//! Plots as SVG: bars of one number beside others, and curves. Pure, and legible on light and dark grounds.
//!
//! Text and lines have the colour of the page (`currentColor`); what is drawn has colours of middle brightness. A bar
//! that would leave the plot ends at its edge and tells its number, as every bar does.

use std::fmt::Write as _;

use super::report::Curve;
use super::table::short;

/// Colours that differ for those who see fewer of them, too.
const COLOURS: [&str; 7] = ["#3b82c4", "#d9822b", "#2f9e6e", "#b5568f", "#8a8f2a", "#7a6fd0", "#c0504d"];
const WIDTH: f64 = 640.0;

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Who is ours is drawn in the first colour.
fn colour(name: &str, at: usize) -> &'static str {
    if name.starts_with("dits") { COLOURS[0] } else { COLOURS[1 + at % (COLOURS.len() - 1)] }
}

/// One bar a line, with the number behind it.
pub(super) fn bars(title: &str, unit: &str, bars: &[(String, f64)]) -> String {
    const LEFT: f64 = 230.0;
    const HIGH: f64 = 20.0;
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let high = HIGH * bars.len() as f64 + 30.0;
    let mut svg = open(title, high);
    for (i, (name, value)) in bars.iter().enumerate() {
        let y = 26.0 + HIGH * i as f64;
        let wide = if most > 0.0 { value / most * (WIDTH - LEFT - 110.0) } else { 0.0 };
        let _ = writeln!(
            svg,
            r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{}</text>"#,
            LEFT - 6.0,
            y + 13.0,
            escape(name)
        );
        let _ = writeln!(
            svg,
            r#"<rect x="{LEFT:.0}" y="{y:.0}" width="{wide:.1}" height="15" fill="{}"/>"#,
            colour(name, 0)
        );
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.0}">{} {}</text>"#,
            LEFT + wide + 5.0,
            y + 13.0,
            short(*value),
            escape(unit)
        );
    }
    svg + "</svg>\n"
}

/// Lines over two logarithmic axes, as growth is best seen: what grows with its cause rises by 45 degrees or so.
pub(super) fn curve(curve: &Curve) -> String {
    const LEFT: f64 = 70.0;
    const TOP: f64 = 30.0;
    const HIGH: f64 = 220.0;
    let points = || curve.lines.iter().flat_map(|(_, points)| points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    let range = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::MAX, 0.0_f64), |(min, max), v| (min.min(v), max.max(v)))
    };
    let (xs, ys) = (range(|p| p.0), range(|p| p.1));
    let place = |value: f64, (min, max): (f64, f64), wide: f64| {
        if max > min { (value / min).ln() / (max / min).ln() * wide } else { wide / 2.0 }
    };
    let x = |value| LEFT + place(value, xs, WIDTH - LEFT - 170.0);
    let y = |value| TOP + HIGH - place(value, ys, HIGH);
    let mut svg = open(&format!("{} ({} over {})", curve.title, curve.y, curve.x), TOP + HIGH + 40.0);
    if points().next().is_none() {
        return svg + "</svg>\n";
    }
    let (right, bottom) = (WIDTH - 170.0, TOP + HIGH);
    let _ = writeln!(
        svg,
        r#"<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="currentColor" opacity=".5"/>"#
    );
    for value in [ys.0, ys.1] {
        svg += &label((LEFT - 6.0, y(value) + 4.0), r#"text-anchor="end""#, &short(value));
    }
    let mut marks: Vec<f64> = points().map(|point| point.0).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for value in marks {
        svg += &label((x(value), bottom + 18.0), r#"text-anchor="middle""#, &short(value));
    }
    for (i, (name, points)) in curve.lines.iter().enumerate() {
        let places: Vec<(f64, f64)> =
            points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|p| (x(p.0), y(p.1))).collect();
        let colour = COLOURS[i % COLOURS.len()];
        svg += &line(&places, colour);
        let fill = format!(r#"fill="{colour}""#);
        svg += &label((right + 12.0, TOP + 14.0 + 18.0 * i as f64), &fill, name);
    }
    svg + "</svg>\n"
}

fn label((x, y): (f64, f64), how: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {how}>{}</text>\n", escape(text))
}

fn line(places: &[(f64, f64)], colour: &str) -> String {
    let text: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut svg = format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
        text.join(" ")
    );
    for (x, y) in places {
        let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#);
    }
    svg
}

fn open(title: &str, high: f64) -> String {
    let title = escape(title);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {high}\" role=\"img\" aria-label=\"{title}\" font-size=\"12\" fill=\"currentColor\">\n<text x=\"0\" y=\"14\" font-weight=\"bold\">{title}</text>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_plot_and_names_are_escaped() {
        let svg = bars("a<b", "s", &[("dits".into(), 1.0), ("x&y".into(), 2.0)]);
        assert!(svg.contains("a&lt;b") && svg.contains("x&amp;y"), "{svg}");
        assert!(svg.contains(r##"width="150.0" height="15" fill="#3b82c4""##), "{svg}");
        assert!(svg.contains(r##"width="300.0" height="15" fill="#d9822b""##), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_curve_goes_from_corner_to_corner() {
        let lines = vec![("add".to_owned(), vec![(1.0, 2.0), (2.0, 4.0), (4.0, 8.0)])];
        let svg = curve(&Curve { title: "t".into(), x: "GiB".into(), y: "s".into(), lines });
        assert!(svg.contains(r#"points="70.0,250.0 270.0,140.0 470.0,30.0""#), "{svg}");
    }

    #[test]
    fn a_curve_of_nothing_is_a_title() {
        let svg = curve(&Curve {
            title: "t".into(),
            x: "x".into(),
            y: "y".into(),
            lines: vec![("a".into(), vec![(0.0, 0.0)])],
        });
        assert_eq!(svg.matches("<text").count(), 1);
    }
}
