//! Where things are put: nodes at their true positions, clockwise from the top; labels beside them, moved along the
//! circle only as far as they would cover each other.

use super::Picture;
use crate::id::Id;
use core::f64::consts::TAU;

/// From the top, clockwise.
pub fn angle(id: Id) -> f64 {
    TAU * (id.get() as f64 / 2f64.powi(128))
}

/// The point at an angle and a distance from the middle, x to the right and y down.
pub fn point(angle: f64, radius: f64) -> (f64, f64) {
    (radius * angle.sin(), -radius * angle.cos())
}

/// What a kind of picture needs room for.
pub struct Needs {
    /// How much of the circle a label beside a node takes.
    pub label: f64,
    /// How much of the line outwards it takes.
    pub depth: f64,
    /// How wide the label of a key is.
    pub key: f64,
}

/// Where a key is marked, and where it is named.
#[derive(Clone, Copy)]
pub struct Key {
    /// Its angle.
    pub angle: f64,
    /// How far out its mark is: on the circle, unless a node is there.
    pub mark: f64,
    /// The angle of its label.
    pub label: f64,
    /// How far out the labels of nodes end: its own is behind them.
    pub outer: f64,
}

/// A picture laid out about the middle.
pub struct Layout {
    /// Of the circle.
    pub radius: f64,
    /// Of a node's own circle.
    pub spot: f64,
    /// Names stand in the nodes, not beside them.
    pub inside: bool,
    /// The angle of each node.
    pub angles: Vec<f64>,
    /// The angle of each node's label.
    pub labels: Vec<f64>,
    /// How far out the labels begin.
    pub label_radius: f64,
    /// The key.
    pub key: Option<Key>,
    /// How far everything reaches, to the sides, and up and down.
    pub extent: (f64, f64),
}

/// A node's own circle, with its name in it and without.
const SPOT: f64 = 17.0;
const SPOT_BARE: f64 = 6.0;
const SPOT_SMALL: f64 = 3.5;
/// More nodes than this are drawn smaller.
pub const FEW: usize = 40;
/// What a key takes besides its label.
const KEY: f64 = 26.0;

impl Layout {
    /// Lays a picture out.
    pub fn of(picture: &Picture, needs: &Needs) -> Self {
        let angles: Vec<f64> = picture.spots.iter().map(|spot| angle(spot.id)).collect();
        let count = angles.len() as f64;
        let roomy = (count * 3.5 * SPOT / TAU).max(150.0);
        let closest = (0..angles.len()).map(|at| gap(&angles, at)).fold(TAU, f64::min);
        let short = picture.spots.iter().all(|spot| spot.name.len() <= 3);
        let inside = short && closest * roomy >= 3.0 * SPOT;
        let bare = if angles.len() > FEW { SPOT_SMALL } else { SPOT_BARE };
        // Two thirds of the circle may be labels: then hardly one is moved far.
        let crowded = (count * needs.label * 1.5 / TAU).max(190.0);
        let (radius, spot) = if inside { (roomy, SPOT) } else { (crowded, bare) };
        let label_radius = radius + spot + if inside { 0.0 } else { 12.0 };
        let outer = if inside { label_radius } else { label_radius + needs.depth };
        // A key has a label among the others.
        let place = picture.key.map(|key| (angle(key), angles.partition_point(|other| *other < angle(key))));
        let mut named = angles.clone();
        place.into_iter().for_each(|(key, at)| named.insert(at, key));
        let mut labels = if inside { named } else { spread(&named, needs.label / label_radius) };
        let key = place.map(|(key, at)| {
            let taken = angles.iter().any(|other| apart(*other, key) * radius < spot + 8.0);
            let mark = if taken { radius + spot + if inside { 9.0 } else { 5.0 } } else { radius };
            Key { angle: key, mark, label: labels.remove(at), outer }
        });
        let reach = |key: Key| {
            let (sin, cos) = key.label.sin_cos();
            (sin.abs() * (outer + KEY) + needs.key, cos.abs() * (outer + KEY) + 6.0)
        };
        let (wide, high) = key.map_or((0.0, 0.0), reach);
        let extent = (wide.max(outer + 12.0), high.max(outer + 12.0));
        Self { radius, spot, inside, labels, label_radius, key, extent, angles }
    }

    /// True if the second node is the next one clockwise.
    pub fn is_next(&self, from: usize, to: usize) -> bool {
        (from + 1) % self.angles.len() == to
    }

    /// Where a node is.
    pub fn at(&self, spot: usize) -> (f64, f64) {
        point(self.angles[spot], self.radius)
    }
}

/// How far two angles are apart, the shorter way.
fn apart(a: f64, b: f64) -> f64 {
    let way = (a - b).rem_euclid(TAU);
    way.min(TAU - way)
}

/// From one to the next in a list that goes round; all of it if there is only one.
fn gap(angles: &[f64], at: usize) -> f64 {
    let way = (angles[(at + 1) % angles.len()] - angles[at]).rem_euclid(TAU);
    if angles.len() == 1 { TAU } else { way }
}

/// Angles in the same order, at least so far apart, moved as little as possible. If there is not room for that, they
/// are spread evenly.
fn spread(angles: &[f64], least: f64) -> Vec<f64> {
    let count = angles.len();
    let least = least.min(TAU / count.max(1) as f64);
    // The circle is cut open where there is most room.
    let widest = (0..count).fold(0, |best, at| if gap(angles, at) > gap(angles, best) { at } else { best });
    let order = (0..count).map(|step| (widest + 1 + step) % count);
    let mut groups: Vec<(f64, f64)> = Vec::new();
    let (mut walked, mut before) = (0.0, None);
    for (step, at) in order.clone().enumerate() {
        walked += before.map_or(0.0, |before: f64| (angles[at] - before).rem_euclid(TAU));
        before = Some(angles[at]);
        // Each as far from the first as it would be if all before it stood closely; those that overlap share the mean.
        groups.push((walked - step as f64 * least, 1.0));
        while let [.., (left, many), (right, more)] = groups[..]
            && left > right
        {
            groups.truncate(groups.len() - 2);
            groups.push(((left * many + right * more) / (many + more), many + more));
        }
    }
    let first = angles.get((widest + 1) % count.max(1)).copied().unwrap_or(0.0);
    let means = groups.iter().flat_map(|(mean, many)| core::iter::repeat_n(*mean, *many as usize));
    let mut moved = vec![0.0; count];
    for ((step, at), mean) in order.enumerate().zip(means) {
        moved[at] = (first + mean + step as f64 * least).rem_euclid(TAU);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_clockwise_from_the_top() {
        let quarter = Id::new(1 << 126);
        let (x, y) = point(angle(quarter), 10.0);
        assert!((x - 10.0).abs() < 1e-9 && y.abs() < 1e-9, "{x} {y}");
        assert_eq!(point(angle(Id::new(0)), 10.0), (0.0, -10.0));
    }

    #[test]
    fn labels_keep_their_distance_and_stay_where_there_is_room() {
        let moved = spread(&[0.1, 0.11, 0.12, 2.0, 4.0, 6.2], 0.2);
        for at in 0..moved.len() {
            assert!(gap(&moved, at) > 0.2 - 1e-9, "{moved:?}");
        }
        assert!((moved[3] - 2.0).abs() < 1e-9 && (moved[4] - 4.0).abs() < 1e-9, "{moved:?}");
        assert!((moved[1] - 0.11).abs() < 0.2, "{moved:?}");
    }

    #[test]
    fn too_many_labels_are_spread_evenly() {
        let angles: Vec<f64> = (0..100).map(|n| f64::from(n) * 1e-3).collect();
        let moved = spread(&angles, 0.5);
        for at in 0..moved.len() {
            assert!((gap(&moved, at) - TAU / 100.0).abs() < 1e-9, "{moved:?}");
        }
        assert_eq!(spread(&[], 0.5), [0.0; 0]);
        assert_eq!(spread(&[3.0], 0.5), [3.0]);
    }
}
