//! The shipped models do what their cards say, on a part of the bundled items. The whole is `avp-bench evaluate`.

use std::error::Error;

use avp::model::{Device, LoadOptions, Runtime};
use avp::wire::DataType;
use avp_bench::relay::evaluation::{Arm, answer, chance, foreign, share};
use avp_bench::relay::{Item, Layout, Task, bundled};
use avp_bench::stats::Share;

/// Enough for an interval of some ten points.
const ITEMS: usize = 60;

fn shares(name: &str, arms: &[Arm]) -> Result<(Vec<Item>, Vec<Share>), Box<dyn Error>> {
    let mut items = bundled()?;
    items.truncate(ITEMS);
    let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
    let model = Runtime::open(avp::weights::registry::resolve(name)?, options, &mut |_, _| ())?;
    let mut answers = Vec::new();
    for (i, item) in items.iter().enumerate() {
        for &arm in arms {
            answers.push(answer(&model, item, foreign(&items, i), arm)?);
        }
    }
    let shares = arms.iter().map(|&arm| share(&answers, arm, None, None)).collect();
    Ok((items, shares))
}

#[test]
fn the_facts_decide_and_the_context_carries_them() -> Result<(), Box<dyn Error>> {
    let arms = [Arm::Direct, Arm::Latent(Layout::Withheld, 0), Arm::Empty, Arm::Foreign];
    for (name, least) in [("pocket-a", 0.95), ("pocket-b", 0.90), ("pocket-c", 0.90)] {
        let (items, shares) = shares(name, &arms)?;
        let [direct, handed, empty, foreign] = shares.try_into().map_err(|_| "arms")?;
        assert!(direct.interval().1 >= least, "{name}: direct {direct:?}");
        assert!(
            (direct.value() - handed.value()).abs() <= 0.05,
            "{name}: {direct:?}, handed over {handed:?}"
        );
        // The best fixed guess, on all items, with room for what a sample of sixty does to it.
        let guess = Task::ALL.map(|task| chance(&items, task)).into_iter().fold(Share::default(), Share::and);
        for control in [empty, foreign] {
            assert!(control.interval().0 <= guess.value(), "{name}: {control:?} against {guess:?}");
            assert!(control.value() < 0.2, "{name}: {control:?}");
        }
    }
    Ok(())
}
