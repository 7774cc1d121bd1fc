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

/// How far from its point a label may stand, in heights of its text, the best first.
const DISTANCES: [f64; 8] = [0.0, 0.4, 0.9, 1.6, 2.8, 4.5, 6.5, 9.0];

/// The directions in which a label's centre may lie from its point, the best first: beside it, over and under it, at the
/// corners, and between them.
fn sides() -> impl Iterator<Item = (f64, f64)> + Clone {
    [0.0, 1.0, 0.5, 0.25, 0.75].into_iter().flat_map(|part| {
        let beside = [(1.0, -part), (1.0, part), (-1.0, -part), (-1.0, part)];
        let above = [(part, -1.0), (-part, -1.0), (part, 1.0), (-part, 1.0)];
        beside.into_iter().chain(above)
    })
}

/// The distance of the squares that stand for a line, in pixels.
const TRACE: f64 = 3.0;

/// A line as a row of small squares, for what must stay clear of it.
pub(crate) fn trace(from: (f64, f64), to: (f64, f64)) -> impl Iterator<Item = Rect> {
    let count = ((to.0 - from.0).hypot(to.1 - from.1) / TRACE).ceil().max(1.0);
    // Half open: of a closed range valgrind says that a field that is not there yet decides.
    (0..(count as usize).saturating_add(1)).map(move |index| {
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

    fn is_clear_of(&self, others: &[Rect]) -> bool {
        self.parts().all(|part| !others.iter().any(|other| part.overlaps(other)))
    }
}

/// A label that is to stand near a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    pub point: (f64, f64),
    /// The width and the height of the text.
    pub size: (f64, f64),
    /// How far the text stays from the point.
    pub clearance: f64,
}

impl Wanted {
    /// Where the label may stand, the best place first: inside `frame`, itself and its line clear of what is `taken`.
    fn places(&self, frame: &Rect, taken: &[Rect]) -> Vec<Placed> {
        let (width, height) = self.size;
        let place = |distance: f64, (dx, dy): (f64, f64)| {
            let out = self.clearance + distance * height;
            let x = self.point.0 + dx * (out + width / 2.0);
            let y = self.point.1 + dy * (out + height / 2.0);
            let rect = Rect {
                left: x - width / 2.0,
                top: y - height / 2.0,
                right: x + width / 2.0,
                bottom: y + height / 2.0,
            };
            Placed { rect, leader: rect.leader(self.point, self.clearance, height) }
        };
        let places = DISTANCES.iter().flat_map(|&distance| sides().map(move |side| place(distance, side)));
        places.filter(|placed| frame.contains(&placed.rect) && placed.is_clear_of(taken)).collect()
    }
}

/// How often labels are placed anew, those first that found no room.
const ATTEMPTS: usize = 40;

/// Places labels near their points, inside `frame`, clear of what is `taken` and of each other. Those for which there is
/// no room are None; of several attempts the one that places the most labels nearest to their points counts.
pub(crate) fn place(wanted: &[Wanted], frame: &Rect, taken: &[Rect]) -> Vec<Option<Placed>> {
    let places: Vec<Vec<Placed>> = wanted.iter().map(|label| label.places(frame, taken)).collect();
    // Those with the fewest places first.
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| places[index].len());
    let mut best: (usize, usize, Vec<Option<Placed>>) = (usize::MAX, usize::MAX, vec![None; wanted.len()]);
    for _ in 0..ATTEMPTS {
        let mut labels = vec![None; wanted.len()];
        let mut held: Vec<Rect> = Vec::new();
        let mut cost = 0;
        for &index in &order {
            let found = places[index].iter().position(|placed| placed.is_clear_of(&held));
            if let Some(rank) = found {
                cost += rank;
                held.extend(places[index][rank].parts());
                labels[index] = Some(places[index][rank]);
            }
        }
        let missing = labels.iter().filter(|label| label.is_none()).count();
        // Stable: those without room come first, the others stay as they were.
        order.sort_by_key(|&index| labels[index].is_some());
        if (missing, cost) < (best.0, best.1) {
            best = (missing, cost, labels);
        }
        if missing == 0 {
            break;
        }
    }
    best.2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance_and_stay_inside() {
        let cases: [&[f64]; 6] =
            [&[], &[50.0], &[5.0, 5.0, 5.0], &[50.0, 50.0, 50.0], &[99.0, 98.0, 97.0, 0.0], &[-10.0, 200.0]];
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
        let taken = [Rect::around((100.0, 50.0), 4.0), Rect::around((130.0, 50.0), 4.0)];
        let label = Wanted { point: (100.0, 50.0), size: (30.0, 12.0), clearance: 6.0 };
        // More labels of one point than there is room for.
        let placed: Vec<Placed> = place(&[label; 60], &frame, &taken).into_iter().flatten().collect();
        assert!((4..60).contains(&placed.len()), "{}", placed.len());
        for (index, one) in placed.iter().enumerate() {
            assert!(frame.contains(&one.rect));
            let others = placed[..index].iter().flat_map(Placed::parts).chain(taken);
            assert!(one.is_clear_of(&others.collect::<Vec<_>>()), "{one:?}");
        }
    }

    #[test]
    fn a_label_moves_for_one_that_has_no_other_place() {
        let frame = Rect { left: 0.0, top: 0.0, right: 100.0, bottom: 20.0 };
        let label = |x: f64| Wanted { point: (x, 10.0), size: (30.0, 12.0), clearance: 4.0 };
        // The right of the first point is its best place and the only one of the second.
        let points = [label(50.0), label(98.0)];
        let taken = points.map(|wanted| Rect::around(wanted.point, 3.0));
        let placed = place(&points, &frame, &taken);
        let [Some(first), Some(second)] = placed.as_slice() else { panic!("{placed:?}") };
        assert!(first.rect.right < 50.0 && second.rect.right < 98.0 && second.rect.left > 50.0, "{placed:?}");
        let alone = place(&points[..1], &frame, &taken);
        assert!(alone[0].is_some_and(|placed| placed.rect.left > 50.0), "{alone:?}");
    }
}
