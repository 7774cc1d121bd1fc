//! The network: one or more LSTM layers of one input and a linear head, forward and backward over a batch of
//! [`LANES`](super::lanes::LANES) rows.
//!
//! The cell is that of Gers, Schmidhuber and Cummins (2000), with a forget gate and no peepholes; the gradient is
//! exact back-propagation through time over the steps asked for (Werbos 1990), cut off before them.
//!
//! All parameters stand in one vector, which is all that the optimiser sees. A layer's weights are stored in tiles of
//! two units, that is 8 gates, as `[tile][column][gate]`: the 8 accumulators of a tile stay in registers while a
//! column, one value per row of the batch, is read once. Columns are the layer's inputs, its own output of the step
//! before, and a constant 1 whose weights are the biases. Gates come in the order input, forget, candidate, output.

use super::lanes::{Lanes, Real, Vector, sigmoid, tanh};

/// Gates of a unit.
const GATES: usize = 4;
/// Gates of a tile.
const TILE: usize = 2 * GATES;

/// The size of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// LSTM layers.
    pub layers: usize,
    /// Units of each; even, because a tile is two units.
    pub hidden: usize,
}

/// The size of each network. 8 units did 2 % worse on a sine in noise; 16 did 1 % better on an autoregression and no
/// better elsewhere, for half as much time again; a second layer of 12 did worse on both.
pub(super) const SHAPE: Shape = Shape { layers: 1, hidden: 12 };

/// The units of work of a step of a network, in all lanes.
pub(super) const STEP: usize = 1_000;

/// Inputs before an origin that a forecast starts from, in judging, calibrating and serving alike: the networks start
/// from a zero state and must have forgotten it.
pub(super) const WARM_UP: usize = 80;

impl Shape {
    fn inputs(self, layer: usize) -> usize {
        if layer == 0 { 1 } else { self.hidden }
    }

    /// What a gate of the layer sees: the inputs, the recurrent part, and the constant.
    fn columns(self, layer: usize) -> usize {
        self.inputs(layer) + self.hidden + 1
    }

    fn gates(self) -> usize {
        GATES * self.hidden
    }

    /// Where the layer's weights stand in the parameters.
    fn weights(self, layer: usize) -> std::ops::Range<usize> {
        let start = (0..layer).map(|below| self.columns(below) * self.gates()).sum();
        start..start + self.columns(layer) * self.gates()
    }

    /// Where the head's weights stand; the bias follows them.
    fn head(self) -> std::ops::Range<usize> {
        let start = self.weights(self.layers - 1).end;
        start..start + self.hidden
    }

    /// How many parameters there are.
    pub fn parameters(self) -> usize {
        self.head().end + 1
    }

    /// Where the weight of `gate` (0 to 3) of `unit` for `column` stands within the layer's weights.
    fn index(self, layer: usize, unit: usize, gate: usize, column: usize) -> usize {
        let row = unit * GATES + gate;
        ((row / TILE) * self.columns(layer) + column) * TILE + row % TILE
    }

    /// Initial parameters: the recurrent matrix of each gate orthogonal (Saxe, McClelland and Ganguli 2014), the
    /// input weights uniform by Glorot and Bengio (2010), the forget biases 1 (Jozefowicz, Zaremba and Sutskever
    /// 2015), the other biases 0, the head uniform by Glorot times `head_scale`, so that training starts near the
    /// constant forecast. `uniform` draws from [-1, 1).
    pub fn initial<T: Real>(self, head_scale: f64, mut uniform: impl FnMut() -> f64) -> Vec<T> {
        let mut parameters = vec![T::ZERO; self.parameters()];
        for layer in 0..self.layers {
            let inputs = self.inputs(layer);
            let bound = (6.0 / (inputs + self.gates()) as f64).sqrt();
            let weights = &mut parameters[self.weights(layer)];
            for gate in 0..GATES {
                let recurrent = orthogonal(self.hidden, &mut uniform);
                for unit in 0..self.hidden {
                    for column in 0..inputs {
                        weights[self.index(layer, unit, gate, column)] = T::from_f64(bound * uniform());
                    }
                    for (column, &weight) in recurrent[unit].iter().enumerate() {
                        weights[self.index(layer, unit, gate, inputs + column)] = T::from_f64(weight);
                    }
                }
            }
            for unit in 0..self.hidden {
                weights[self.index(layer, unit, 1, inputs + self.hidden)] = T::ONE;
            }
        }
        let bound = head_scale * (6.0 / (self.hidden + 1) as f64).sqrt();
        parameters[self.head()].fill_with(|| T::from_f64(bound * uniform()));
        parameters
    }
}

/// A random orthogonal matrix, by rows: Gram and Schmidt's procedure, applied twice for accuracy, on random rows. Sums
/// of 12 uniform numbers stand for normal ones.
fn orthogonal(size: usize, uniform: &mut impl FnMut() -> f64) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
    while rows.len() < size {
        let mut row: Vec<f64> = (0..size).map(|_| (0..12).map(|_| uniform()).sum()).collect();
        for _ in 0..2 {
            for other in &rows {
                let product: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= product * b);
            }
        }
        let norm = row.iter().map(|a| a * a).sum::<f64>().sqrt();
        // A row that depends on the others leaves nothing but rounding: draw another.
        if norm > 1e-6 {
            row.iter_mut().for_each(|a| *a /= norm);
            rows.push(row);
        }
    }
    rows
}

/// What a layer remembers of the steps run.
#[derive(Debug, Clone)]
struct LayerTape<T> {
    /// Per step what the gates see, a row of `columns` each; one step more than run, for the last output.
    inputs: Vec<Lanes<T>>,
    /// Per step the activated gates; the backward pass turns them into the loss's derivatives by their arguments.
    gates: Vec<Lanes<T>>,
    /// The cell states before each step and after the last.
    cells: Vec<Lanes<T>>,
    /// Per step the hyperbolic tangent of the new cell states.
    squashed: Vec<Lanes<T>>,
}

/// The memory of a run over a fixed number of steps, reused from run to run.
#[derive(Debug, Clone)]
pub(super) struct Tape<T> {
    shape: Shape,
    steps: usize,
    layers: Vec<LayerTape<T>>,
    /// Per step the derivatives of the loss by the outputs of the layer at work.
    errors: Vec<Lanes<T>>,
    /// Per step the derivatives of the loss by the forecast.
    output_errors: Vec<Lanes<T>>,
}

impl<T: Real> Tape<T> {
    /// A tape for `steps` steps. With one step, [`Tape::rewind`] carries the state on for as many as one likes.
    pub fn new(shape: Shape, steps: usize) -> Tape<T> {
        let layer = |layer| {
            let columns = shape.columns(layer);
            let mut inputs = vec![Lanes::ZERO; (steps + 1) * columns];
            inputs.chunks_exact_mut(columns).for_each(|row| row[columns - 1] = Lanes::ONE);
            LayerTape {
                inputs,
                gates: vec![Lanes::ZERO; steps * shape.gates()],
                cells: vec![Lanes::ZERO; (steps + 1) * shape.hidden],
                squashed: vec![Lanes::ZERO; steps * shape.hidden],
            }
        };
        Tape {
            shape,
            steps,
            layers: (0..shape.layers).map(layer).collect(),
            errors: vec![Lanes::ZERO; steps * shape.hidden],
            output_errors: vec![Lanes::ZERO; steps],
        }
    }

    /// The state before the first step: zero, which is what any run starts from.
    #[inline(always)]
    pub fn reset(&mut self) {
        let hidden = self.shape.hidden;
        for (layer, tape) in self.layers.iter_mut().enumerate() {
            let inputs = self.shape.inputs(layer);
            tape.inputs[inputs..inputs + hidden].fill(Lanes::ZERO);
            tape.cells[..hidden].fill(Lanes::ZERO);
        }
    }

    /// Makes the state after the first step the one before it.
    #[inline(always)]
    pub fn rewind(&mut self) {
        let hidden = self.shape.hidden;
        for (layer, tape) in self.layers.iter_mut().enumerate() {
            let (inputs, columns) = (self.shape.inputs(layer), self.shape.columns(layer));
            tape.inputs.copy_within(columns + inputs..columns + inputs + hidden, inputs);
            tape.cells.copy_within(hidden..2 * hidden, 0);
        }
    }

    /// Runs one step on the input `x` and returns the forecast.
    #[inline(always)]
    pub fn step<V>(&mut self, token: V::Token, parameters: &[T], step: usize, x: Lanes<T>) -> Lanes<T>
    where
        V: Vector<Number = T>,
    {
        let Shape { layers, hidden } = self.shape;
        self.layers[0].inputs[step * self.shape.columns(0)] = x;
        for layer in 0..layers {
            let weights = &parameters[self.shape.weights(layer)];
            self.layers[layer].step::<V>(token, self.shape, layer, weights, step);
            if layer + 1 < layers {
                let (below, above) = self.layers.split_at_mut(layer + 1);
                let start = step * self.shape.columns(layer + 1);
                above[0].inputs[start..start + hidden]
                    .copy_from_slice(below[layer].output(self.shape, layer, step));
            }
        }
        let head = self.shape.head();
        let bias = V::splat(token, parameters[head.end]);
        let output = self.layers[layers - 1].output(self.shape, layers - 1, step);
        let weighted = output.iter().zip(&parameters[head]);
        weighted.fold(bias, |sum, (h, &weight)| sum + V::splat(token, weight) * V::load(token, h)).store()
    }

    /// Sets the derivatives of the loss by the forecast of a step, for [`Tape::backward`].
    #[inline(always)]
    pub fn set_error(&mut self, step: usize, error: Lanes<T>) {
        self.output_errors[step] = error;
    }

    /// Adds to `gradient` the derivatives of the loss by the parameters, through the steps from `first` to the last.
    /// What stands on the tape is used up.
    #[inline(always)]
    pub fn backward<V>(&mut self, token: V::Token, parameters: &[T], first: usize, gradient: &mut [T])
    where
        V: Vector<Number = T>,
    {
        let Shape { layers, hidden } = self.shape;
        let head = self.shape.head();
        for step in first..self.steps {
            let error = V::load(token, &self.output_errors[step]);
            let output = self.layers[layers - 1].output(self.shape, layers - 1, step);
            for (derivative, h) in gradient[head.clone()].iter_mut().zip(output) {
                *derivative = *derivative + (V::load(token, h) * error).sum();
            }
            gradient[head.end] = gradient[head.end] + error.sum();
            let errors = &mut self.errors[step * hidden..(step + 1) * hidden];
            for (derivative, &weight) in errors.iter_mut().zip(&parameters[head.clone()]) {
                *derivative = (V::splat(token, weight) * error).store();
            }
        }
        for layer in (0..layers).rev() {
            let range = self.shape.weights(layer);
            let (tape, weights) = (&mut self.layers[layer], &parameters[range.clone()]);
            tape.backward::<V>(token, self.shape, layer, weights, first..self.steps, &mut self.errors);
            tape.accumulate::<V>(token, self.shape, layer, first..self.steps, &mut gradient[range]);
        }
    }
}

impl<T: Real> LayerTape<T> {
    /// The layer's outputs of a step: the recurrent part of the next step's inputs.
    #[inline(always)]
    fn output(&self, shape: Shape, layer: usize, step: usize) -> &[Lanes<T>] {
        let start = (step + 1) * shape.columns(layer) + shape.inputs(layer);
        &self.inputs[start..start + shape.hidden]
    }

    #[inline(always)]
    fn step<V>(&mut self, token: V::Token, shape: Shape, layer: usize, weights: &[T], step: usize)
    where
        V: Vector<Number = T>,
    {
        let (columns, hidden, gates) = (shape.columns(layer), shape.hidden, shape.gates());
        let (before, after) = self.inputs.split_at_mut((step + 1) * columns);
        let x = &before[step * columns..];
        let outputs = &mut after[shape.inputs(layer)..][..hidden];
        let (before, cells_after) = self.cells.split_at_mut((step + 1) * hidden);
        let cells = before[step * hidden..].iter().zip(cells_after.iter_mut());
        let squashed = &mut self.squashed[step * hidden..(step + 1) * hidden];
        let gates = &mut self.gates[step * gates..(step + 1) * gates];
        for (tile, gates) in weights.chunks_exact(columns * TILE).zip(gates.as_chunks_mut::<TILE>().0) {
            let mut sums = [V::splat(token, T::ZERO); TILE];
            for (x, tile) in x.iter().zip(tile.as_chunks::<TILE>().0) {
                let x = V::load(token, x);
                for gate in 0..TILE {
                    sums[gate] = sums[gate] + V::splat(token, tile[gate]) * x;
                }
            }
            for gate in 0..TILE {
                gates[gate] = sums[gate].store();
            }
        }
        for (gates, (before, cell)) in gates.as_chunks_mut::<GATES>().0.iter_mut().zip(cells) {
            let (i, f) = (V::load(token, &gates[0]), V::load(token, &gates[1]));
            let (g, o) = (V::load(token, &gates[2]), V::load(token, &gates[3]));
            let (i, f) = (sigmoid(token, i), sigmoid(token, f));
            let (g, o) = (tanh(token, g), sigmoid(token, o));
            *gates = [i.store(), f.store(), g.store(), o.store()];
            *cell = (f * V::load(token, before) + i * g).store();
        }
        // A loop of its own, so that the long chains of neighbouring units overlap.
        for (unit, output) in outputs.iter_mut().enumerate() {
            let squash = tanh(token, V::load(token, &cells_after[unit]));
            squashed[unit] = squash.store();
            *output = (V::load(token, &gates[unit * GATES + 3]) * squash).store();
        }
    }

    /// Turns the gates into derivatives by their arguments, and `errors` from derivatives by this layer's outputs into
    /// those by its inputs.
    #[inline(always)]
    fn backward<V>(
        &mut self,
        token: V::Token,
        shape: Shape,
        layer: usize,
        weights: &[T],
        steps: std::ops::Range<usize>,
        errors: &mut [Lanes<T>],
    ) where
        V: Vector<Number = T>,
    {
        let (inputs, columns, hidden) = (shape.inputs(layer), shape.columns(layer), shape.hidden);
        let one = V::splat(token, T::ONE);
        // Derivatives by the columns of the step after, and by the cell states carried into it.
        let mut by_columns: Vec<Lanes<T>> = vec![Lanes::ZERO; columns];
        let mut by_cells: Vec<Lanes<T>> = vec![Lanes::ZERO; hidden];
        for step in steps.rev() {
            let errors = &mut errors[step * hidden..(step + 1) * hidden];
            let gates = &mut self.gates[step * shape.gates()..(step + 1) * shape.gates()];
            let units = gates.as_chunks_mut::<GATES>().0.iter_mut().enumerate();
            for (unit, gates) in units {
                let (i, f) = (V::load(token, &gates[0]), V::load(token, &gates[1]));
                let (g, o) = (V::load(token, &gates[2]), V::load(token, &gates[3]));
                let before = V::load(token, &self.cells[step * hidden + unit]);
                let squashed = V::load(token, &self.squashed[step * hidden + unit]);
                let by_output = V::load(token, &errors[unit]) + V::load(token, &by_columns[inputs + unit]);
                let by_state = V::load(token, &by_cells[unit]) + by_output * o * (one - squashed * squashed);
                by_cells[unit] = (by_state * f).store();
                *gates = [
                    (by_state * g * i * (one - i)).store(),
                    (by_state * before * f * (one - f)).store(),
                    (by_state * i * (one - g * g)).store(),
                    (by_output * squashed * o * (one - o)).store(),
                ];
            }
            by_columns.fill(Lanes::ZERO);
            for (tile, gates) in weights.chunks_exact(columns * TILE).zip(gates.as_chunks::<TILE>().0) {
                let mut by_gates = [one; TILE];
                for gate in 0..TILE {
                    by_gates[gate] = V::load(token, &gates[gate]);
                }
                for (total, tile) in by_columns.iter_mut().zip(tile.as_chunks::<TILE>().0) {
                    let mut sum = V::load(token, total);
                    for gate in 0..TILE {
                        sum = sum + V::splat(token, tile[gate]) * by_gates[gate];
                    }
                    *total = sum.store();
                }
            }
            // The first layer's input is data: nothing stands below it.
            if layer > 0 {
                errors.copy_from_slice(&by_columns[..hidden]);
            }
        }
    }

    /// Adds the derivatives by the weights: per tile and column the sum over the steps, which is one product of
    /// matrices and so runs after the recursion instead of inside it.
    #[inline(always)]
    fn accumulate<V>(
        &self,
        token: V::Token,
        shape: Shape,
        layer: usize,
        steps: std::ops::Range<usize>,
        gradient: &mut [T],
    ) where
        V: Vector<Number = T>,
    {
        let (columns, gates) = (shape.columns(layer), shape.gates());
        let inputs = &self.inputs[steps.start * columns..steps.end * columns];
        let by_gates = &self.gates[steps.start * gates..steps.end * gates];
        for (tile, gradient) in gradient.chunks_exact_mut(columns * TILE).enumerate() {
            for (column, gradient) in gradient.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
                let mut sums = [V::splat(token, T::ZERO); TILE];
                for (x, by_gates) in inputs.chunks_exact(columns).zip(by_gates.chunks_exact(gates)) {
                    let (x, by_gates) = (V::load(token, &x[column]), &by_gates.as_chunks::<TILE>().0[tile]);
                    for gate in 0..TILE {
                        sums[gate] = sums[gate] + x * V::load(token, &by_gates[gate]);
                    }
                }
                for (derivative, sum) in gradient.iter_mut().zip(sums) {
                    *derivative = *derivative + sum.sum();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{self, Kernel, LANES, Portable};
    use super::*;
    use crate::task::Seed;
    use rand_core::Rng;

    fn uniform(seed: u64) -> impl FnMut() -> f64 {
        let mut rng = Seed(seed).rng();
        move || (rng.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0
    }

    const STEPS: usize = 9;
    const FIRST: usize = 3;

    /// Half the sum of squared errors over the steps from FIRST on. The state at FIRST is what stands on the tape, whatever
    /// the parameters, because the gradient is cut off there.
    fn loss(tape: &mut Tape<f64>, parameters: &[f64], x: &[Lanes<f64>], target: &[Lanes<f64>]) -> f64 {
        let mut loss = 0.0;
        for step in FIRST..STEPS {
            let forecast = tape.step::<Portable<f64>>((), parameters, step, x[step]);
            let error = Lanes(std::array::from_fn(|row| forecast.0[row] - target[step].0[row]));
            loss += 0.5 * error.0.iter().map(|error| error * error).sum::<f64>();
            tape.set_error(step, error);
        }
        loss
    }

    /// The worst relative difference between the gradient and central differences, over all parameters.
    fn gradient_error(shape: Shape, seed: u64) -> f64 {
        let mut uniform = uniform(seed);
        let mut parameters: Vec<f64> = shape.initial(1.0, &mut uniform);
        parameters.iter_mut().for_each(|parameter| *parameter += 0.1 * uniform());
        let mut data = || -> Vec<Lanes<f64>> {
            (0..STEPS).map(|_| Lanes(std::array::from_fn(|_| 2.0 * uniform()))).collect()
        };
        let (x, target) = (data(), data());
        let mut tape = Tape::new(shape, STEPS);
        for (step, &x) in x[..FIRST].iter().enumerate() {
            tape.step::<Portable<f64>>((), &parameters, step, x);
        }
        let warm = tape.clone();
        loss(&mut tape, &parameters, &x, &target);
        let mut gradient = vec![0.0; shape.parameters()];
        tape.backward::<Portable<f64>>((), &parameters, FIRST, &mut gradient);
        let scale = gradient.iter().fold(0.0, |scale: f64, derivative| scale.max(derivative.abs()));
        let mut worst: f64 = 0.0;
        for index in 0..parameters.len() {
            let at = |offset: f64| {
                let mut moved = parameters.clone();
                moved[index] += offset;
                loss(&mut warm.clone(), &moved, &x, &target)
            };
            // The fourth-order central difference.
            let h = 1e-3;
            let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            worst = worst.max((difference - gradient[index]).abs() / gradient[index].abs().max(1e-3 * scale));
        }
        worst
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        for (layers, hidden) in [(1, 2), (1, 12), (2, 4), (3, 4)] {
            let error = gradient_error(Shape { layers, hidden }, 7);
            println!("{layers} x {hidden}: {error:.1e}");
            assert!(error < 1e-8, "{layers} x {hidden}: {error:e}");
        }
    }

    /// A run forward and backward in f32.
    struct Run<'a> {
        tape: &'a mut Tape<f32>,
        parameters: &'a [f32],
        gradient: &'a mut [f32],
    }

    impl Kernel for Run<'_> {
        #[inline(always)]
        fn run<V: Vector<Number = f32>>(self, token: V::Token) {
            let mut uniform = uniform(4);
            for step in 0..STEPS {
                let x = Lanes(std::array::from_fn(|_| 3.0 * uniform() as f32));
                let forecast = self.tape.step::<V>(token, self.parameters, step, x);
                self.tape.set_error(step, forecast);
            }
            self.tape.backward::<V>(token, self.parameters, FIRST, self.gradient);
        }
    }

    #[test]
    fn any_processor_gives_the_same_bits() {
        let shape = Shape { layers: 2, hidden: 6 };
        let parameters: Vec<f32> = shape.initial(1.0, uniform(8));
        let gradient = |run: fn(Run<'_>)| {
            let mut gradient = vec![0.0; shape.parameters()];
            let mut tape = Tape::new(shape, STEPS);
            run(Run { tape: &mut tape, parameters: &parameters, gradient: &mut gradient });
            gradient
        };
        assert_eq!(gradient(|run| lanes::run(run)), gradient(|run| run.run::<Portable<f32>>(())));
    }

    #[test]
    fn recurrent_matrices_start_orthogonal() {
        let rows = orthogonal(16, &mut uniform(3));
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn one_step_rewound_is_a_long_run() {
        let shape = Shape { layers: 2, hidden: 4 };
        let mut uniform = uniform(5);
        let parameters: Vec<f32> = shape.initial(1.0, &mut uniform);
        let (mut long, mut short) = (Tape::new(shape, 30), Tape::new(shape, 1));
        for step in 0..30 {
            let x = Lanes(std::array::from_fn(|_| uniform() as f32));
            assert_eq!(
                long.step::<Portable<f32>>((), &parameters, step, x),
                short.step::<Portable<f32>>((), &parameters, 0, x)
            );
            short.rewind();
        }
        short.reset();
        long.reset();
        let x = Lanes([0.5; LANES]);
        assert_eq!(
            long.step::<Portable<f32>>((), &parameters, 0, x),
            short.step::<Portable<f32>>((), &parameters, 0, x)
        );
    }
}
