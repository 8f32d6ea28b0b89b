//! The few among many that matter.

/// Leaves out as many items as possible, long runs first, as long as the rest still fails. At most `budget` questions.
/// Answers the items that are left, in order, and how often was asked.
pub fn fewest<T: Clone>(
    items: Vec<T>,
    budget: usize,
    mut still_fails: impl FnMut(&[T]) -> bool,
) -> (Vec<T>, usize) {
    let mut best = items;
    let mut runs = 0;
    let mut len = best.len();
    while len > 0 {
        let before = best.len();
        let mut end = best.len();
        while end >= len && len > 0 {
            if runs == budget {
                return (best, runs);
            }
            runs += 1;
            let shorter = [&best[..end - len], &best[end..]].concat();
            if still_fails(&shorter) {
                best = shorter;
            }
            end -= len;
        }
        // Once more with single ones when some went: what they needed may go now too.
        len =
            if len == 1 && best.len() < before && !best.is_empty() { 1 } else { len.min(best.len() + 1) / 2 };
    }
    (best, runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let all: Vec<u32> = (0..1000).collect();
        let (left, runs) = fewest(all.clone(), 1000, |rest| rest.contains(&17) && rest.contains(&800));
        assert_eq!(left, [17, 800]);
        assert!(runs < 100, "{runs}");
        assert!(fewest(all.clone(), 1000, |_| true).0.is_empty());
        assert_eq!(fewest(all.clone(), 5000, |rest| rest.len() == 1000).0, all);
        assert_eq!(fewest(Vec::<u8>::new(), 9, |_| true), (vec![], 0));
    }

    #[test]
    fn what_goes_only_after_something_else_goes_too() {
        // 3 may go only when 1 is gone.
        let (left, _) =
            fewest(vec![1, 2, 3], 100, |rest| rest.contains(&2) && (rest.contains(&3) || !rest.contains(&1)));
        assert_eq!(left, [2]);
    }

    #[test]
    fn the_budget_is_kept() {
        assert_eq!(fewest(vec![1; 100], 7, |_| false), (vec![1; 100], 7));
    }
}
