//! Forecasts of many steps from many origins: one row of a batch each.

use super::lanes::{self, Kernel, LANES, Lanes, Vector};
use super::network::{SHAPE, STEP, Tape, WARM_UP};
use crate::model::Failure;
use crate::task::Task;
use crate::work;

/// One network's forecasts of the standardised returns `origin`, `origin + 1`, ... from the inputs before `origin`: per
/// origin `steps` numbers. Further steps take the forecast of the step before for their input.
pub(super) fn rollout(
    parameters: &[f32],
    x: &[f32],
    origins: &[usize],
    steps: usize,
    task: &Task,
) -> Result<Vec<Vec<f32>>, Failure> {
    let mut tape = Tape::new(SHAPE, 1);
    let mut paths = Vec::with_capacity(origins.len());
    let mut rows = vec![Lanes::ZERO; steps];
    for origins in origins.chunks(LANES) {
        task.cancel.check()?;
        work::count((WARM_UP + steps) * STEP);
        lanes::run(Rollout { tape: &mut tape, parameters, x, origins, rows: &mut rows });
        paths.extend((0..origins.len()).map(|lane| rows.iter().map(|row| row.0[lane]).collect::<Vec<f32>>()));
    }
    Ok(paths)
}

/// Forecasts from up to [`LANES`] origins: a row per step, a lane per origin.
struct Rollout<'a> {
    tape: &'a mut Tape<f32>,
    parameters: &'a [f32],
    x: &'a [f32],
    origins: &'a [usize],
    rows: &'a mut [Lanes<f32>],
}

impl Kernel for Rollout<'_> {
    #[inline(always)]
    fn run<V: Vector<Number = f32>>(self, token: V::Token) {
        self.tape.reset();
        let mut forecast = Lanes::ZERO;
        for step in 0..WARM_UP {
            let mut row = [0.0; LANES];
            for (x_of_lane, &origin) in row.iter_mut().zip(self.origins) {
                // Before the series' beginning stands the mean.
                let index = (origin + step).checked_sub(WARM_UP);
                *x_of_lane = index.and_then(|index| self.x.get(index)).copied().unwrap_or(0.0);
            }
            forecast = self.tape.step::<V>(token, self.parameters, 0, Lanes(row));
            self.tape.rewind();
        }
        for (step, row) in self.rows.iter_mut().enumerate() {
            if step > 0 {
                forecast = self.tape.step::<V>(token, self.parameters, 0, forecast);
                self.tape.rewind();
            }
            *row = forecast;
        }
    }
}
