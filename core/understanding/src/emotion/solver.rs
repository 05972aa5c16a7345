//! A line between two sides, by dual coordinate descent on the squared hinge loss (Hsieh et al.
//! 2008, "A Dual Coordinate Descent Method for Large-scale Linear SVM").

const EPOCHS: usize = 30;
/// Smaller steps than this end the training.
const TOLERANCE: f32 = 0.01;

/// Weights of `size` features and a bias that part rows of the two sides; `costs` is what a row of
/// the other side and of this one costs when it lies wrong.
pub(super) fn separate(
    rows: &[Vec<(u32, f32)>],
    sides: &[bool],
    costs: [f32; 2],
    size: usize,
) -> Vec<f32> {
    let mut weights = vec![0.0_f32; size + 1];
    let mut duals = vec![0.0_f32; rows.len()];
    let squares: Vec<f32> = rows
        .iter()
        .map(|row| 1.0 + row.iter().map(|(_, v)| v * v).sum::<f32>())
        .collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..EPOCHS {
        for last in (1..order.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(last, (random % (last as u64 + 1)) as usize);
        }
        let mut largest = 0.0_f32;
        for &i in &order {
            let sign = if sides[i] { 1.0 } else { -1.0 };
            let diagonal = 0.5 / costs[usize::from(sides[i])].max(1e-6);
            let gradient = sign * score(&weights, &rows[i]) - 1.0 + diagonal * duals[i];
            let next = (duals[i] - gradient / (squares[i] + diagonal)).max(0.0);
            let step = (next - duals[i]) * sign;
            if step.abs() < 1e-7 {
                continue;
            }
            largest = largest.max(step.abs());
            duals[i] = next;
            for (id, value) in &rows[i] {
                weights[*id as usize] += step * value;
            }
            weights[size] += step;
        }
        if largest < TOLERANCE * costs[0].max(costs[1]) {
            break;
        }
    }
    weights
}

pub(super) fn score(weights: &[f32], row: &[(u32, f32)]) -> f32 {
    let bias = weights.last().copied().unwrap_or(0.0);
    let terms = row.iter().map(|(id, value)| weights[*id as usize] * value);
    bias + terms.sum::<f32>()
}
