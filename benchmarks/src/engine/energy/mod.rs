//! COUNTERS OF THE MACHINE → JOULES of one item under one arm.
//!
//! | what | read from | renewed |
//! |---|---|---|
//! | processor packages | RAPL, below `/sys/class/powercap` | about every millisecond |
//! | the card that a run is on | NVML, energy since the driver was loaded | some ten times a second |
//!
//! A counter holds all that its package or card used, by whatever ran on it, idle power included; memory and everything else of
//! the machine are in none. An item that takes less time than a counter needs to be renewed has a coarse number; since counters
//! go on between items, means of many are not coarse.

#[cfg(feature = "cuda")]
mod card;
mod rapl;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use avp::model::Device;

/// Where Linux keeps its power counters, Intel's and AMD's alike.
const POWERCAP: &str = "/sys/class/powercap";
/// A counter is read at least so often while somebody writes text: the smallest one goes round after 65 kJ, which a package of a
/// kilowatt needs a minute for.
const OFTEN: Duration = Duration::from_secs(10);
/// Counters at most; the largest machines have some ten packages.
const MAX_COUNTERS: usize = 64;

/// One counter of microjoules.
enum Counter {
    Package(rapl::Package),
    #[cfg(feature = "cuda")]
    Card(Box<card::Card>),
}

impl Counter {
    fn name(&self) -> &str {
        match self {
            Self::Package(package) => &package.name,
            #[cfg(feature = "cuda")]
            Self::Card(card) => &card.name,
        }
    }

    /// Microjoules since some moment; nothing where it can't be read any more.
    fn read(&self) -> Option<u64> {
        match self {
            Self::Package(package) => package.read().ok(),
            #[cfg(feature = "cuda")]
            Self::Card(card) => card.read().ok(),
        }
    }

    /// Microjoules from one reading to a later one.
    fn between(&self, before: u64, after: u64) -> Option<u64> {
        match self {
            Self::Package(package) => package.between(before, after),
            #[cfg(feature = "cuda")]
            Self::Card(_) => after.checked_sub(before),
        }
    }
}

/// What can be read of the machine that a run is on.
#[derive(Default)]
pub(super) struct Meter {
    counters: Vec<Counter>,
    /// What cannot, and why.
    missing: Vec<String>,
}

impl Meter {
    /// Looks for counters: the processor's, and the card's where the run is on one.
    pub(super) fn find(device: Device) -> Self {
        let mut meter = Self::of_packages(Path::new(POWERCAP));
        if let Device::Cuda(index) = device.resolved() {
            meter.add_card(index);
        }
        meter
    }

    fn of_packages(tree: &Path) -> Self {
        let (packages, missing) = rapl::packages(tree, MAX_COUNTERS);
        Self { counters: packages.into_iter().map(Counter::Package).collect(), missing }
    }

    #[cfg(feature = "cuda")]
    fn add_card(&mut self, index: usize) {
        match card::Card::open(index) {
            Ok(card) => self.counters.push(Counter::Card(Box::new(card))),
            Err(why) => self.missing.push(why),
        }
    }

    #[cfg(not(feature = "cuda"))]
    fn add_card(&mut self, _index: usize) {
        self.missing.push("card: a build without the feature cuda".to_owned());
    }

    /// What a run's record says: `RAPL package-0`, or `not readable: ` and why.
    pub(super) fn describe(&self) -> String {
        let missing = self.missing.join("; ");
        let read: Vec<String> = self
            .counters
            .iter()
            .map(|counter| match counter {
                Counter::Package(package) => format!("RAPL {}", package.name),
                #[cfg(feature = "cuda")]
                Counter::Card(card) => format!("NVML {}", card.name),
            })
            .collect();
        match (read.is_empty(), missing.is_empty()) {
            (true, _) => format!("not readable: {missing}"),
            (false, true) => read.join(", "),
            (false, false) => format!("{}; not readable: {missing}", read.join(", ")),
        }
    }

    fn read(&self) -> Vec<Option<u64>> {
        self.counters.iter().map(Counter::read).collect()
    }
}

/// What was used so far, but for what was left out.
pub(super) struct Usage<'a> {
    meter: &'a Meter,
    last: Vec<Option<u64>>,
    read_at: Instant,
    /// Microjoules a counter; nothing once it could not be read.
    used: Vec<Option<u64>>,
}

impl<'a> Usage<'a> {
    pub(super) fn begin(meter: &'a Meter) -> Self {
        let last = meter.read();
        Self { meter, used: vec![Some(0); last.len()], last, read_at: Instant::now() }
    }

    /// Reads the counters if that was long ago, so that none goes round unseen.
    pub(super) fn tick(&mut self) {
        if !self.last.is_empty() && self.read_at.elapsed() >= OFTEN {
            self.count();
        }
    }

    /// Counts what was used since the last reading.
    pub(super) fn count(&mut self) {
        let now = self.meter.read();
        let counters = self.meter.counters.iter().zip(&mut self.used);
        for ((counter, used), (before, after)) in counters.zip(self.last.iter().zip(&now)) {
            let more = before.zip(*after).and_then(|(before, after)| counter.between(before, after));
            *used = used.zip(more).map(|(used, more)| used.saturating_add(more));
        }
        (self.last, self.read_at) = (now, Instant::now());
    }

    /// Leaves out what was used since the last reading.
    pub(super) fn skip(&mut self) {
        (self.last, self.read_at) = (self.meter.read(), Instant::now());
    }

    /// Joules by counter; one that failed in between is left out.
    pub(super) fn joules(&self) -> BTreeMap<String, f64> {
        let counters = self.meter.counters.iter().zip(&self.used);
        counters
            .filter_map(|(counter, used)| Some((counter.name().to_owned(), (*used)? as f64 / 1e6)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::rapl::tests::Tree;
    use super::*;

    #[test]
    fn two_packages_are_counted_each_by_itself() {
        let tree = Tree::with(&[("package-0", 1_000_000, 1 << 32), ("package-1", 5, 1 << 32)]);
        let meter = Meter::of_packages(tree.path());
        assert_eq!(meter.describe(), "RAPL package-0, RAPL package-1");
        let mut usage = Usage::begin(&meter);
        tree.set(0, 1_500_000);
        tree.set(1, 2_000_005);
        usage.count();
        assert_eq!(usage.joules(), [("package-0".to_owned(), 0.5), ("package-1".to_owned(), 2.0)].into());
        // What is done apart is in neither.
        tree.set(0, 9_500_000);
        usage.skip();
        tree.set(0, 9_750_000);
        usage.count();
        assert_eq!(usage.joules()["package-0"], 0.75);
    }

    #[test]
    fn counters_that_go_round_are_counted_on() {
        let tree = Tree::with(&[("package-0", 65_000_000, 65_536_000)]);
        let meter = Meter::of_packages(tree.path());
        let mut usage = Usage::begin(&meter);
        for value in [464_000, 65_400_000, 100_000] {
            tree.set(0, value);
            usage.count();
        }
        // 0.536 + 0.464 J to the first reading, then on, then round once more.
        let expected = 1.0 + 64.936 + 0.236;
        assert!((usage.joules()["package-0"] - expected).abs() < 1e-9, "{:?}", usage.joules());
    }

    #[test]
    fn a_counter_that_vanishes_says_nothing_of_the_item() {
        let tree = Tree::with(&[("package-0", 1, 1 << 32), ("package-1", 1, 1 << 32)]);
        let meter = Meter::of_packages(tree.path());
        let mut usage = Usage::begin(&meter);
        tree.remove(1);
        usage.count();
        tree.add(1, "package-1", 7, 1 << 32);
        usage.count();
        assert_eq!(usage.joules().keys().collect::<Vec<_>>(), ["package-0"]);
        // The next item has both again.
        let mut next = Usage::begin(&meter);
        next.count();
        assert_eq!(next.joules().len(), 2);
    }

    #[test]
    fn without_counters_the_record_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let meter = Meter::of_packages(&folder.path().join("none"));
        assert!(meter.describe().starts_with("not readable: "), "{}", meter.describe());
        let mut usage = Usage::begin(&meter);
        usage.tick();
        usage.count();
        assert!(usage.joules().is_empty());
        assert_eq!(
            Meter::of_packages(folder.path()).describe(),
            "not readable: no package in the power counters"
        );
    }

    #[test]
    fn a_ticking_meter_reads_seldom() {
        let tree = Tree::with(&[("package-0", 1, 1 << 32)]);
        let meter = Meter::of_packages(tree.path());
        let mut usage = Usage::begin(&meter);
        tree.set(0, 3_000_001);
        usage.tick();
        assert_eq!(usage.joules()["package-0"], 0.0);
        usage.read_at -= OFTEN;
        usage.tick();
        assert_eq!(usage.joules()["package-0"], 3.0);
    }
}
