//! The optimiser: Adam (Kingma and Ba 2015, algorithm 1) with a clipped gradient, weight decay beside the gradient
//! (Loshchilov and Hutter 2019, algorithm 2) and a cosine-decayed rate.

/// Adam's decay rates and guard, the paper's.
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The state of the optimiser of one network.
#[derive(Debug, Clone)]
pub(super) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    decay_1: f32,
    decay_2: f32,
}

impl Adam {
    /// For so many parameters.
    pub fn new(parameters: usize) -> Adam {
        Adam { first: vec![0.0; parameters], second: vec![0.0; parameters], decay_1: 1.0, decay_2: 1.0 }
    }

    /// Moves the parameters against the gradient, which is scaled down to the norm `clip` where it is longer
    /// (Pascanu, Mikolov and Bengio 2013), after shrinking them by `rate * decay`.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32, clip: f32, decay: f32) {
        let norm = gradient.iter().map(|&g| g * g).sum::<f32>().sqrt();
        let scale = if norm > clip { clip / norm } else { 1.0 };
        self.decay_1 *= BETA_1;
        self.decay_2 *= BETA_2;
        let keep = 1.0 - rate * decay;
        let rate = rate / (1.0 - self.decay_1);
        let spread = 1.0 / (1.0 - self.decay_2);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, &g), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let g = g * scale;
            *first = BETA_1 * *first + (1.0 - BETA_1) * g;
            *second = BETA_2 * *second + (1.0 - BETA_2) * g * g;
            *parameter = *parameter * keep - rate * *first / ((*second * spread).sqrt() + EPSILON);
        }
    }
}

/// The rate at `progress` (0 to 1) of training, from `rate` to 0 along half a cosine (Loshchilov and Hutter 2017,
/// equation 5, without restarts).
pub(super) fn cosine(rate: f32, progress: f64) -> f32 {
    rate * (0.5 + 0.5 * (std::f64::consts::PI * progress.min(1.0)).cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_step_has_the_size_of_the_rate() {
        // With bias correction the first step is rate * sign(g), whatever the size of g.
        let mut parameters = [1.0, 1.0, 1.0];
        Adam::new(3).step(&mut parameters, &[1e-3, -0.5, 0.0], 0.01, 1.0, 0.0);
        assert!((parameters[0] - 0.99).abs() < 1e-5 && (parameters[1] - 1.01).abs() < 1e-6);
        assert_eq!(parameters[2], 1.0);
    }

    #[test]
    fn finds_the_minimum_of_a_quadratic() {
        let mut parameters = [3.0, -2.0];
        let mut adam = Adam::new(2);
        for step in 0..2000 {
            let gradient = [2.0 * (parameters[0] - 1.0), 20.0 * (parameters[1] - 0.5)];
            adam.step(&mut parameters, &gradient, cosine(0.05, f64::from(step) / 2000.0), 1.0, 0.0);
        }
        assert!((parameters[0] - 1.0).abs() < 1e-3 && (parameters[1] - 0.5).abs() < 1e-3, "{parameters:?}");
    }

    #[test]
    fn decay_shrinks_whatever_the_gradient() {
        let mut parameters = [2.0, -2.0];
        Adam::new(2).step(&mut parameters, &[0.0, 0.0], 0.1, 1.0, 0.5);
        assert_eq!(parameters, [1.9, -1.9]);
    }

    #[test]
    fn rate_falls_from_whole_to_nothing() {
        assert_eq!((cosine(0.01, 0.0), cosine(0.01, 1.0)), (0.01, 0.0));
        assert!((cosine(0.01, 0.5) - 0.005).abs() < 1e-9);
    }
}
