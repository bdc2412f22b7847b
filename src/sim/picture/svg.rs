//! A drawing of its own, in SVG: arrows to neighbours along the circle, all others inside it.

use super::layout::{FEW, Layout, Needs, angle, point};
use super::{Arrow, Meaning, Picture, State};
use crate::id::Id;
use core::fmt::Write as _;

/// Spaces of up to so many bits have every position marked.
const TICKED_MAX: u32 = 5;
/// Arrows shorter than this have no room for a head.
const HEAD_MIN: f64 = 9.0;

const STYLE: &str = "text{font-family:'DejaVu Sans Mono',monospace;fill:#222}\
.title{font-size:13px}.legend{font-size:11px}.tick{font-size:10px;fill:#aaa}\
.node{fill:#fff;stroke:#222;stroke-width:1.5}.unsettled{stroke-dasharray:3 2}\
.gone{stroke:#bbb;stroke-dasharray:2 2}.name.gone{fill:#aaa;stroke:none}\
.asker{fill:#cfe2ff;stroke:#1c5fb8;stroke-width:2.5}.owner{fill:#c3f0ca;stroke:#2b8a3e;stroke-width:2.5}\
.leader{stroke:#ccc;stroke-width:.7;fill:none}.circle{stroke:#e4e4e4;stroke-width:1;fill:none}\
.successor{stroke:#222;stroke-width:1.3;fill:none}\
.predecessor{stroke:#999;stroke-width:1;stroke-dasharray:4 3;fill:none}\
.finger{stroke:#3b7dd8;stroke-width:.9;fill:none}.distance{font-size:10px;fill:#1c5fb8}\
.hop{stroke:#e8590c;stroke-width:2.2;fill:none}.silent{stroke-dasharray:5 4}\
.step{fill:#e8590c}.number{font-size:10px;fill:#fff}.key{fill:#d6204e}.line{stroke:#d6204e;stroke-width:.8;fill:none}";

/// The kinds of arrows as the legend shows them.
const LEGEND: [(&str, &str); 4] =
    [("successor", "successor"), ("predecessor", "predecessor"), ("finger", "finger"), ("hop", "step of the lookup")];

impl Picture {
    /// As a drawing.
    pub fn svg(&self) -> String {
        let small = self.spots.len() > FEW;
        let font = if small { 9.0 } else { 11.0 };
        let longest = self.spots.iter().map(|spot| spot.name.len()).max().unwrap_or(0) as f64;
        let layout =
            Layout::of(self, &Needs { label: font * 1.2, depth: longest * font * 0.62, key: (longest + 4.0) * 7.0 });
        let (half, tall) = (layout.extent.0.max(140.0) + 8.0, layout.extent.1 + 8.0);
        let (side, legend) = (2.0 * half, self.legend());
        let height = 2.0 * tall + 34.0 + 17.0 * legend.len() as f64;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side:.0}\" height=\"{height:.0}\" \
             viewBox=\"{:.1} {:.1} {side:.1} {height:.1}\">\n<title>{title}</title>\n<style>{STYLE}\
             .name{{font-size:{}px}}</style>\n<defs>{}</defs>\n<rect x=\"{:.1}\" y=\"{:.1}\" width=\"100%\" \
             height=\"100%\" fill=\"#fff\"/>\n<text class=\"title\" x=\"0\" y=\"{:.1}\" \
             text-anchor=\"middle\">{title}</text>\n<circle class=\"circle\" r=\"{:.1}\"/>\n",
            -half,
            -tall - 26.0,
            if layout.inside { 13.0 } else { font },
            heads(if layout.inside { 6.0 } else { 4.5 }),
            -half,
            -tall - 26.0,
            -tall - 8.0,
            layout.radius,
            title = escape(&self.title),
        );
        self.ticks(&layout, &mut text);
        self.arrows.iter().for_each(|arrow| draw(arrow, &layout, &mut text));
        self.spots(&layout, &mut text);
        // Above all else, as arrows are many and numbers few.
        self.arrows.iter().for_each(|arrow| number(arrow, &layout, &mut text));
        self.key(&layout, &mut text);
        for (row, (class, name)) in legend.iter().enumerate() {
            let (x, y) = (-half + 12.0, tall + 17.0 * row as f64 + 2.0);
            // Writing to a string cannot fail.
            let _ = match *class {
                "asker" | "owner" | "unsettled" | "gone" => {
                    writeln!(text, "<circle class=\"node {class}\" cx=\"{}\" cy=\"{y}\" r=\"5\"/>", x + 14.0)
                }
                _ => writeln!(text, "<path class=\"{class}\" d=\"M{x} {y}h28\" marker-end=\"url(#head-{class})\"/>"),
            };
            let _ = writeln!(text, "<text class=\"legend\" x=\"{}\" y=\"{}\">{name}</text>", x + 38.0, y + 4.0);
        }
        text.push_str("</svg>\n");
        text
    }

    fn legend(&self) -> Vec<(&'static str, &'static str)> {
        let drawn = |class: &str| self.arrows.iter().any(|arrow| class_of(arrow.meaning) == class);
        let mut legend: Vec<_> = LEGEND.into_iter().filter(|(class, _)| drawn(class)).collect();
        if self.key.is_some() {
            legend.extend([("asker", "the node that asked"), ("owner", "the owner of the key")]);
        }
        let is = |state: State| self.spots.iter().any(|spot| spot.state == state);
        legend.extend(is(State::Unsettled).then_some(("unsettled", "a node that has not settled")));
        legend.extend(is(State::Gone).then_some(("gone", "a node that is gone, and pointed to")));
        legend
    }

    /// The positions of a small space at which no node is.
    fn ticks(&self, layout: &Layout, text: &mut String) {
        if self.names.bits() > TICKED_MAX {
            return;
        }
        for number in 0..1u128 << self.names.bits() {
            let id = Id::new(number << (Id::BITS - self.names.bits()));
            if self.key != Some(id) && self.spots.iter().all(|spot| spot.id != id) {
                let (inner, outer) = (point(angle(id), layout.radius - 3.0), point(angle(id), layout.radius + 3.0));
                let (x, y) = point(angle(id), layout.radius + 13.0);
                let (a, b, c, d) = (inner.0, inner.1, outer.0, outer.1);
                let _ = writeln!(
                    text,
                    "<path class=\"leader\" d=\"M{a:.1} {b:.1}L{c:.1} {d:.1}\"/><text class=\"tick\" x=\"{x:.1}\" \
                     y=\"{:.1}\" text-anchor=\"middle\">{number}</text>",
                    y + 3.5
                );
            }
        }
    }

    fn spots(&self, layout: &Layout, text: &mut String) {
        for (at, spot) in self.spots.iter().enumerate() {
            let (x, y) = layout.at(at);
            let state = match spot.state {
                State::Settled => "",
                State::Unsettled => " unsettled",
                State::Gone => " gone",
            };
            let lacks = match spot.state {
                State::Settled => "",
                State::Unsettled => ", not settled",
                State::Gone => ", not on the ring",
            };
            let role = if spot.owner {
                " owner"
            } else if spot.asker {
                " asker"
            } else {
                ""
            };
            let radius = layout.spot;
            let (name, about) = (escape(&spot.name), escape(&spot.about));
            let _ = writeln!(
                text,
                "<circle class=\"node{state}{role}\" id=\"n{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" \
                 r=\"{radius}\"><title>{about}{lacks}</title></circle>",
                spot.id
            );
            if layout.inside {
                let y = y + 4.6;
                let _ = writeln!(
                    text,
                    "<text class=\"name{state}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{name}</text>"
                );
                continue;
            }
            let label = layout.labels[at];
            let (from, to) =
                (point(layout.angles[at], layout.radius + radius), point(label, layout.label_radius - 2.0));
            let _ =
                writeln!(text, "<path class=\"leader\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>", from.0, from.1, to.0, to.1);
            let (x, y) = point(label, layout.label_radius);
            // On the left the text runs inwards, so that nothing stands on its head.
            let (turn, anchor) = if label.sin() < 0.0 { (90.0, "end") } else { (-90.0, "start") };
            let _ = writeln!(
                text,
                "<text class=\"name{state}\" transform=\"translate({x:.1} {y:.1}) rotate({:.1})\" dy=\".35em\" \
                 text-anchor=\"{anchor}\">{name}</text>",
                label.to_degrees() + turn
            );
        }
    }

    fn key(&self, layout: &Layout, text: &mut String) {
        let Some((place, key)) = layout.key.zip(self.key) else { return };
        let (x, y) = point(place.angle, place.mark);
        let anchor = match place.label.sin() {
            side if side > 0.3 => "start",
            side if side < -0.3 => "end",
            _ => "middle",
        };
        // First between the labels, then beyond them.
        let near = if layout.inside { place.outer } else { layout.label_radius };
        let (a, b) = (point(place.label, near), point(place.label, place.outer + 13.0));
        let (u, v) = point(place.label, place.outer + 22.0);
        let half = if layout.inside { 6.0 } else { 4.5 };
        let name = escape(&self.names.of(key));
        let _ = writeln!(
            text,
            "<path class=\"line\" d=\"M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}\"/><path class=\"key\" d=\"M{x:.1} \
             {:.1}l{half} {half}l-{half} {half}l-{half} -{half}z\"/><text class=\"key legend\" x=\"{u:.1}\" \
             y=\"{:.1}\" text-anchor=\"{anchor}\">key {name}</text>",
            a.0,
            a.1,
            b.0,
            b.1,
            y - half,
            v + 4.0
        );
    }
}

fn class_of(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Successor => "successor",
        Meaning::Predecessor => "predecessor",
        Meaning::Finger => "finger",
        Meaning::Hop(_) | Meaning::Silent(_) => "hop",
    }
}

/// The heads of the arrows.
fn heads(size: f64) -> String {
    let head = |(class, colour): (&str, &str)| {
        format!(
            "<marker id=\"head-{class}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"{size}\" \
             markerHeight=\"{size}\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 1L10 5L0 9z\" \
             fill=\"{colour}\"/></marker>"
        )
    };
    let size_of_hop = head(("hop", "#e8590c"));
    let others = [("successor", "#222"), ("predecessor", "#888"), ("finger", "#3b7dd8")].map(head);
    others.concat() + &size_of_hop
}

/// A curve inside the circle: its ends, and the point that it is drawn towards.
fn curve(arrow: &Arrow, layout: &Layout) -> [(f64, f64); 3] {
    let (a, b) = (layout.at(arrow.from), layout.at(arrow.to));
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy).max(1.0);
    let bend = match arrow.meaning {
        Meaning::Finger => 0.08 * length,
        Meaning::Successor => 0.24 * length + 12.0,
        Meaning::Predecessor => 0.14 * length + 4.0,
        Meaning::Hop(_) | Meaning::Silent(_) => 0.2 * length + 34.0,
    };
    let middle = ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    // Towards the middle of the circle, or to the right where the way leads through it.
    let side = if -dy * middle.0 + dx * middle.1 > 1.0 { -1.0 } else { 1.0 };
    let control = (middle.0 - side * dy / length * bend, middle.1 + side * dx / length * bend);
    let trim = |end: (f64, f64)| {
        let (dx, dy) = (control.0 - end.0, control.1 - end.1);
        let part = ((layout.spot + 2.0) / dx.hypot(dy).max(1.0)).min(0.4);
        (end.0 + dx * part, end.1 + dy * part)
    };
    [trim(a), control, trim(b)]
}

fn draw(arrow: &Arrow, layout: &Layout, text: &mut String) {
    let class = class_of(arrow.meaning);
    let (next, last) = (layout.is_next(arrow.from, arrow.to), layout.is_next(arrow.to, arrow.from));
    let (line, head) = match arrow.meaning {
        Meaning::Successor if next => along(arrow, layout, layout.radius, true),
        // A little further in, so that the two do not cover each other.
        Meaning::Predecessor if last => along(arrow, layout, layout.radius - layout.spot * 0.6 - 2.0, false),
        _ => {
            let [a, control, b] = curve(arrow, layout);
            (format!("M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", a.0, a.1, control.0, control.1, b.0, b.1), true)
        }
    };
    let silent = if matches!(arrow.meaning, Meaning::Silent(_)) { " silent" } else { "" };
    let head = if head { format!(" marker-end=\"url(#head-{class})\"") } else { String::new() };
    let _ = writeln!(text, "<path class=\"{class}{silent}\" d=\"{line}\"{head}/>");
}

/// Along the circle, or one within it, to the node beside; and whether there is room for a head.
fn along(arrow: &Arrow, layout: &Layout, radius: f64, clockwise: bool) -> (String, bool) {
    let (from, to) = (layout.angles[arrow.from], layout.angles[arrow.to]);
    let way = (if clockwise { to - from } else { from - to }).rem_euclid(core::f64::consts::TAU);
    let away = (layout.spot + 2.0) / radius;
    let room = (way - 2.0 * away) * radius > HEAD_MIN;
    let trim = if room { away } else { 0.0 };
    let turn = if clockwise { 1.0 } else { -1.0 };
    let (a, b) = (point(from + turn * trim, radius), point(to - turn * trim, radius));
    let large = i32::from(way - 2.0 * trim > core::f64::consts::PI);
    let sweep = i32::from(clockwise);
    (format!("M{:.1} {:.1}A{radius:.1} {radius:.1} 0 {large} {sweep} {:.1} {:.1}", a.0, a.1, b.0, b.1), room)
}

/// What stands on an arrow: the number of a step, or the distances of a finger.
fn number(arrow: &Arrow, layout: &Layout, text: &mut String) {
    let [a, control, b] = curve(arrow, layout);
    let at = |part: f64| {
        let mix = |a: f64, control: f64, b: f64| {
            (1.0 - part) * (1.0 - part) * a + 2.0 * part * (1.0 - part) * control + part * part * b
        };
        (mix(a.0, control.0, b.0), mix(a.1, control.1, b.1))
    };
    let label = escape(&arrow.label);
    let _ = match arrow.meaning {
        Meaning::Hop(_) | Meaning::Silent(_) => {
            let (x, y) = at(0.5);
            writeln!(
                text,
                "<circle class=\"step\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7.5\"/><text class=\"number\" x=\"{x:.1}\" \
                 y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                y + 3.6
            )
        }
        Meaning::Finger if !label.is_empty() => {
            let (x, y) = at(0.6);
            writeln!(
                text,
                "<text class=\"distance\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" stroke=\"#fff\" \
                 stroke-width=\"3\" paint-order=\"stroke\">{label}</text>",
                y + 3.5
            )
        }
        _ => Ok(()),
    };
}

/// Text between tags or quotation marks.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_reserves_is_escaped() {
        assert_eq!(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }
}
