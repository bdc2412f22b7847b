//! The ring as characters: a circle, twice as wide as high, as characters are twice as high as wide.

use skynode::client::RingNode;
use std::f64::consts::TAU;

/// Lines of the picture; odd, so that there is a middle.
const HEIGHT: usize = 17;
const WIDTH: usize = 2 * HEIGHT + 8;
/// Points of the circle.
const POINTS: usize = 360;

/// Each node stands where its id is, clockwise from the top, as its number in the table; where there are too many, as a
/// point.
pub fn draw(nodes: &[RingNode]) -> String {
    let mut grid = vec![[' '; WIDTH]; HEIGHT];
    for point in 0..POINTS {
        let (x, y) = place(point as f64 / POINTS as f64);
        grid[y][x] = '·';
    }
    for (at, node) in nodes.iter().enumerate() {
        let (x, y) = place(node.peer.id().get() as f64 / f64::from(u128::BITS).exp2());
        let label = (at + 1).to_string();
        let from = x.saturating_sub(label.len() / 2).min(WIDTH - label.len());
        let cells = &mut grid[y][from..from + label.len()];
        if cells.iter().all(|cell| matches!(cell, ' ' | '·')) {
            cells.iter_mut().zip(label.chars()).for_each(|(cell, digit)| *cell = digit);
        } else if matches!(grid[y][x], ' ' | '·') {
            grid[y][x] = '*';
        }
    }
    let lines = grid.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n");
    lines.collect()
}

/// Column and line of a share of the way around.
fn place(share: f64) -> (usize, usize) {
    let (radius, angle) = ((HEIGHT / 2) as f64, TAU * share);
    let x = (WIDTH / 2) as f64 + 2.0 * radius * angle.sin();
    let y = radius - radius * angle.cos();
    ((x.round() as usize).min(WIDTH - 1), (y.round() as usize).min(HEIGHT - 1))
}

#[cfg(test)]
mod tests {
    use super::super::tests::node;
    use super::*;

    #[test]
    fn nodes_stand_clockwise_from_the_top() {
        let text = draw(&[node(0, 4), node(1, 4), node(2, 4), node(3, 4)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains('1') && lines[HEIGHT - 1].contains('3'), "{text}");
        let middle = lines[HEIGHT / 2];
        assert!(middle.find('4') < middle.find('2') && middle.contains('4'), "{text}");
    }

    #[test]
    fn a_crowd_fits_the_picture() {
        let nodes: Vec<_> = (0..1500).map(|n| node(n, 1500)).collect();
        let text = draw(&nodes);
        assert_eq!(text.lines().count(), HEIGHT);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
