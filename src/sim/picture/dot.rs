//! For Graphviz. Positions are fixed, so that every one of its programs draws the same picture.

use super::layout::{Layout, Needs, point};
use super::{Meaning, Picture, State};
use core::fmt::Write as _;

/// The size of what is written beside a node.
const FONT: f64 = 9.0;
/// Nothing but its text.
const PLAIN: &str = "shape=plaintext, style=solid, fixedsize=false, width=0, height=0, margin=0";

impl Picture {
    /// As a graph: `dot -Tsvg`. The layout that it asks for, `neato` with every node pinned, goes before that of the
    /// program which reads it.
    pub fn dot(&self) -> String {
        let longest = self.spots.iter().map(|spot| spot.name.len()).max().unwrap_or(0) as f64;
        let width = longest * FONT * 0.62;
        let layout = Layout::of(self, &Needs { label: width + 3.0, depth: width, key: 0.0 });
        let mut text = format!(
            "digraph sky {{\n  layout=neato;\n  inputscale=72;\n  splines=curved;\n  outputorder=edgesfirst;\n  \
             label=\"{}\";\n  fontname=monospace;\n  node [shape=circle, fixedsize=true, width={:.3}, \
             fontname=monospace, fontsize=12, style=filled, fillcolor=white];\n  edge [arrowsize={}, \
             fontname=monospace, fontsize=12];\n",
            escape(&self.title),
            layout.spot * 2.0 / 72.0,
            if layout.inside { 0.8 } else { 0.5 },
        );
        for (at, spot) in self.spots.iter().enumerate() {
            let label = if layout.inside { escape(&spot.name) } else { String::new() };
            let colours = match (spot.state, spot.owner, spot.asker) {
                (State::Gone, ..) => ", style=dashed, color=grey, fontcolor=grey",
                (_, true, _) => ", fillcolor=palegreen, color=darkgreen, penwidth=2.5",
                (_, _, true) => ", fillcolor=lightblue, color=royalblue, penwidth=2.5",
                (State::Unsettled, ..) => ", style=\"filled,dashed\"",
                (State::Settled, ..) => "",
            };
            let tip = escape(&spot.about);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  n{} [label=\"{label}\", tooltip=\"{tip}\", {}{colours}];",
                spot.id,
                place(layout.at(at))
            );
            if !layout.inside {
                let (sin, cos) = layout.labels[at].sin_cos();
                let radius = layout.label_radius + sin.abs() * width / 2.0 + cos.abs() * FONT / 2.0;
                let (at, name) = (place(point(layout.labels[at], radius)), escape(&spot.name));
                let colour = if spot.state == State::Gone { ", fontcolor=grey" } else { "" };
                let _ = writeln!(text, "  t{} [label=\"{name}\", {PLAIN}, fontsize={FONT}, {at}{colour}];", spot.id);
            }
        }
        if let Some((at, key)) = layout.key.zip(self.key) {
            let name = format!("key {}", escape(&self.names.of(key)));
            let (sin, cos) = at.label.sin_cos();
            let beside = if layout.inside { 12.0 } else { sin.abs() * width + cos.abs() * FONT };
            let radius = layout.label_radius.max(at.mark) + beside + sin.abs() * width * 0.8 + cos.abs() * FONT + 4.0;
            let (mark, label) = (place(point(at.angle, at.mark)), place(point(at.label, radius)));
            let _ = writeln!(
                text,
                "  key [shape=diamond, label=\"\", width=0.14, height=0.14, fillcolor=red, color=red, {mark}];\n  \
                 keyname [label=\"{name}\", {PLAIN}, fontsize=11, fontcolor=red, {label}];"
            );
        }
        for arrow in &self.arrows {
            let style = match arrow.meaning {
                Meaning::Successor => String::new(),
                Meaning::Predecessor => String::from(" [style=dashed, color=grey]"),
                Meaning::Finger if arrow.label.is_empty() => String::from(" [color=royalblue, penwidth=0.6]"),
                Meaning::Finger => {
                    let label = escape(&arrow.label);
                    format!(" [color=royalblue, penwidth=0.6, fontcolor=royalblue, label=\"{label}\"]")
                }
                Meaning::Hop(step) => format!(" [color=orangered, penwidth=2, fontcolor=orangered, label=\"{step}\"]"),
                Meaning::Silent(step) => {
                    format!(" [color=orangered, style=dashed, fontcolor=orangered, label=\"{step}: silent\"]")
                }
            };
            let _ = writeln!(text, "  n{} -> n{}{style};", self.spots[arrow.from].id, self.spots[arrow.to].id);
        }
        text.push_str("}\n");
        text
    }
}

/// A pinned position, in points, with y upwards.
fn place((x, y): (f64, f64)) -> String {
    format!("pos=\"{x:.1},{:.1}!\"", -y)
}

/// Text between quotation marks.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_do_not_end_a_text() {
        assert_eq!(escape("a \"b\" \\\n"), "a \\\"b\\\" \\\\\\n");
    }
}
