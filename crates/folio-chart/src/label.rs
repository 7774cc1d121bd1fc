//! Labels beside what they name, without overlaps.

use crate::palette::Role;

/// A label at the right end of a plot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SideLabel {
    /// The value that it stands at.
    pub value: f64,
    /// What it says.
    pub text: String,
    /// The colour of a dot before the text.
    pub dot: Option<Role>,
    /// Whether it is the one to read first.
    pub strong: bool,
}

/// Where labels stand: near `wanted` (pixels from the top), `gap` apart, between `low` and `high`. Those for which there
/// is no room are None; the first ones of the list get theirs.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<Option<f64>> {
    let room = (((high - low) / gap).floor() + 1.0).max(1.0) as usize;
    let mut order: Vec<usize> = (0..wanted.len().min(room)).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut placed = vec![None; wanted.len()];
    let mut least = low;
    for &index in &order {
        let y = wanted[index].max(least);
        placed[index] = Some(y);
        least = y + gap;
    }
    let mut most = high;
    for &index in order.iter().rev() {
        let y = placed[index].unwrap_or(most).min(most);
        placed[index] = Some(y);
        most = y - gap;
    }
    placed
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    /// A square around a point.
    pub fn around((x, y): (f64, f64), half: f64) -> Rect {
        Rect { left: x - half, top: y - half, right: x + half, bottom: y + half }
    }

    /// Its centre.
    pub fn centre(&self) -> (f64, f64) {
        (f64::midpoint(self.left, self.right), f64::midpoint(self.top, self.bottom))
    }

    /// The line from beside a point to this label, if the label is further from it than its height.
    fn leader(&self, point: (f64, f64), clearance: f64, height: f64) -> Option<[(f64, f64); 2]> {
        let end = (point.0.clamp(self.left, self.right), point.1.clamp(self.top, self.bottom));
        let length = (end.0 - point.0).hypot(end.1 - point.1);
        let along = |pixels: f64| {
            let share = pixels / length;
            (point.0 + share * (end.0 - point.0), point.1 + share * (end.1 - point.1))
        };
        // It touches neither the point nor the label.
        (length > clearance + 0.6 * height).then(|| [along(clearance), along(length - TRACE)])
    }

    fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn contains(&self, other: &Rect) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// The sides of a point on which its label may stand, the best first: how the label's centre lies from it.
const SIDES: [(f64, f64); 16] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.0, -1.0),
    (0.0, 1.0),
    (1.0, -1.0),
    (1.0, 1.0),
    (-1.0, -1.0),
    (-1.0, 1.0),
    (1.0, -0.5),
    (1.0, 0.5),
    (-1.0, -0.5),
    (-1.0, 0.5),
    (0.5, -1.0),
    (0.5, 1.0),
    (-0.5, -1.0),
    (-0.5, 1.0),
];

/// How far from its point a label may stand, in heights of its text, the best first.
const DISTANCES: [f64; 6] = [0.0, 0.4, 0.9, 1.6, 2.8, 4.5];

/// The distance of the squares that stand for a line, in pixels.
const TRACE: f64 = 3.0;

/// A line as a row of small squares, for what must stay clear of it.
pub(crate) fn trace(from: (f64, f64), to: (f64, f64)) -> impl Iterator<Item = Rect> {
    let count = ((to.0 - from.0).hypot(to.1 - from.1) / TRACE).ceil().max(1.0);
    (0..=count as usize).map(move |index| {
        let share = index as f64 / count;
        let at = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        Rect::around(at, TRACE / 2.0)
    })
}

/// A label of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    pub rect: Rect,
    /// The line from the point to a label that stands further away.
    pub leader: Option<[(f64, f64); 2]>,
}

impl Placed {
    /// What other labels must stay clear of.
    pub fn parts(&self) -> impl Iterator<Item = Rect> {
        let leader = self.leader.into_iter().flat_map(|[from, to]| trace(from, to));
        std::iter::once(self.rect).chain(leader)
    }
}

/// Places a label of this size near a point, inside `frame`, itself and its line clear of what is `taken`. None where
/// there is no room.
pub(crate) fn place(
    point: (f64, f64),
    (width, height): (f64, f64),
    clearance: f64,
    frame: &Rect,
    taken: &[Rect],
) -> Option<Placed> {
    let candidate = |distance: f64, (dx, dy): (f64, f64)| {
        let out = clearance + distance * height;
        let x = point.0 + dx * (out + width / 2.0);
        let y = point.1 + dy * (out + height / 2.0);
        let rect = Rect {
            left: x - width / 2.0,
            top: y - height / 2.0,
            right: x + width / 2.0,
            bottom: y + height / 2.0,
        };
        Placed { rect, leader: rect.leader(point, clearance, height) }
    };
    let free = |placed: &Placed| {
        let clear = |part: Rect| !taken.iter().any(|other| part.overlaps(other));
        frame.contains(&placed.rect) && placed.parts().all(clear)
    };
    DISTANCES.iter().flat_map(|&distance| SIDES.iter().map(move |&side| candidate(distance, side))).find(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance_and_stay_inside() {
        let cases: [&[f64]; 5] =
            [&[], &[50.0], &[50.0, 50.0, 50.0], &[99.0, 98.0, 97.0, 0.0], &[-10.0, 200.0]];
        for wanted in cases {
            let placed: Vec<f64> = spread(wanted, 12.0, 0.0, 100.0).into_iter().flatten().collect();
            assert_eq!(placed.len(), wanted.len());
            let mut sorted = placed.clone();
            sorted.sort_by(f64::total_cmp);
            assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 12.0 - 1e-9), "{placed:?}");
            assert!(sorted.iter().all(|y| (0.0..=100.0).contains(y)), "{placed:?}");
        }
        assert_eq!(spread(&[10.0, 60.0], 12.0, 0.0, 100.0), [Some(10.0), Some(60.0)]);
    }

    #[test]
    fn without_room_the_first_labels_stay() {
        let placed = spread(&[5.0; 20], 10.0, 0.0, 40.0);
        assert_eq!(placed.iter().flatten().count(), 5);
        assert!(placed[..5].iter().all(Option::is_some));
    }

    #[test]
    fn labels_of_points_avoid_what_is_taken() {
        let frame = Rect { left: 0.0, top: 0.0, right: 200.0, bottom: 100.0 };
        let mut taken = vec![Rect::around((100.0, 50.0), 4.0)];
        let mut labels = 0;
        while let Some(placed) = place((100.0, 50.0), (40.0, 12.0), 6.0, &frame, &taken) {
            assert!(frame.contains(&placed.rect));
            let parts: Vec<Rect> = placed.parts().collect();
            assert!(!parts.iter().any(|part| taken.iter().any(|other| part.overlaps(other))));
            taken.extend(parts);
            labels += 1;
        }
        assert!(labels >= 4, "{labels}");
    }
}
