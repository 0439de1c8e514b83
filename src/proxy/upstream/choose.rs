//! Which of a side's endpoints takes a request: the less loaded of two drawn at random.

/// Pairs that are drawn in the hope that both are allowed, before all are looked at.
const DRAWS: usize = 4;

/// The endpoint, among those of `count` that are `allowed`, with the smaller load of two drawn at random; of two
/// endpoints that is the less loaded one. `draw(n)` is a random number below `n`.
///
/// Nearly always all are allowed, and then two looks suffice however many there are.
pub fn choose(
    count: usize,
    allowed: impl Fn(usize) -> bool,
    load: impl Fn(usize) -> usize,
    mut draw: impl FnMut(usize) -> usize,
) -> Option<usize> {
    // Two different places in random order, so that equal loads are no advantage for the earlier one.
    let mut pair = |count: usize| {
        let first = draw(count);
        (first, (first + 1 + draw(count - 1)) % count)
    };
    let lighter = |(first, second)| {
        if load(second) < load(first) {
            second
        } else {
            first
        }
    };
    match count {
        0 => return None,
        1 => return allowed(0).then_some(0),
        _ => (),
    }
    for _ in 0..DRAWS {
        let (first, second) = pair(count);
        if allowed(first) && allowed(second) {
            return Some(lighter((first, second)));
        }
    }
    let nth = |rank| (0..count).filter(|it| allowed(*it)).nth(rank);
    let candidates = (0..count).filter(|it| allowed(*it)).count();
    if candidates < 2 {
        return nth(0);
    }
    let (first, second) = pair(candidates);
    Some(lighter((nth(first)?, nth(second)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(loads: &[usize], allowed: &[bool]) -> Vec<usize> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut times = vec![0; loads.len()];
        for _ in 0..1000 {
            let draw = |n| rng.usize(..n);
            if let Some(at) = choose(loads.len(), |it| allowed[it], |it| loads[it], draw) {
                times[at] += 1;
            }
        }
        times
    }

    #[test]
    fn of_two_the_less_loaded_is_taken() {
        assert_eq!(chosen(&[3, 2], &[true, true]), [0, 1000]);
        assert_eq!(chosen(&[2, 3], &[true, true]), [1000, 0]);
    }

    #[test]
    fn equal_loads_are_shared_evenly() {
        let times = chosen(&[1, 1, 1, 1], &[true; 4]);
        for count in times {
            assert!(
                (190..310).contains(&count),
                "{count} of 1000 to one of four"
            );
        }
    }

    #[test]
    fn the_most_loaded_of_many_is_never_taken() {
        let times = chosen(&[5, 9, 5, 5], &[true; 4]);
        assert_eq!(times[1], 0);
        assert!(times[0] > 0 && times[2] > 0 && times[3] > 0);
    }

    #[test]
    fn only_the_allowed_are_taken() {
        assert_eq!(chosen(&[9, 0, 0], &[true, false, false]), [1000, 0, 0]);
        let none: Vec<usize> = chosen(&[0, 0], &[false, false]);
        assert_eq!(none, [0, 0]);
    }
}
