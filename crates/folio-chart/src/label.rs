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

    /// Where a line from a point to this label ends, if the label is further away than `near`.
    pub fn leader(&self, point: (f64, f64), near: f64) -> Option<(f64, f64)> {
        let end = (point.0.clamp(self.left, self.right), point.1.clamp(self.top, self.bottom));
        ((end.0 - point.0).hypot(end.1 - point.1) > near).then_some(end)
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

/// The eight sides of a point on which its label may stand, the best first: how the label's centre lies from it.
const SIDES: [(f64, f64); 8] =
    [(1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0)];

/// How far from its point a label may stand, in heights of its text, the best first.
const DISTANCES: [f64; 4] = [0.0, 0.7, 1.6, 2.8];

/// Places a label of this size near a point, inside `frame` and clear of what is `taken`. None where there is no room.
pub(crate) fn place(
    point: (f64, f64),
    (width, height): (f64, f64),
    clearance: f64,
    frame: &Rect,
    taken: &[Rect],
) -> Option<Rect> {
    let candidate = |distance: f64, (dx, dy): (f64, f64)| {
        let out = clearance + distance * height;
        let x = point.0 + dx * (out + width / 2.0);
        let y = point.1 + dy * (out + height / 2.0);
        Rect {
            left: x - width / 2.0,
            top: y - height / 2.0,
            right: x + width / 2.0,
            bottom: y + height / 2.0,
        }
    };
    let free = |rect: &Rect| frame.contains(rect) && !taken.iter().any(|other| rect.overlaps(other));
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
        while let Some(rect) = place((100.0, 50.0), (40.0, 12.0), 5.0, &frame, &taken) {
            assert!(frame.contains(&rect));
            assert!(!taken.iter().any(|other| rect.overlaps(other)));
            taken.push(rect);
        }
        assert!(taken.len() > 5);
    }
}
