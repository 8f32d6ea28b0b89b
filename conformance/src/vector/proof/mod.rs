//! The one-fault proof: what a vector wants refused is wrong in exactly one way, so that an implementation can't refuse it
//! for another reason than the one that is tested.
//!
//! Every request that is to be refused, in every dialect, is proven in one of two ways.
//!
//! **By the reader.** Our own dissector finds exactly one cause in the message, and none in the message that it was patched
//! from. It is no implementation under test, so that a mistake in a recipe does not become a mistake of everybody.
//!
//! **By a twin.** Another request of the suite, with what comes before it, is to be accepted, is of the same operation and
//! dialect, and differs in exactly one place. Compared is what is asked, never what is expected. Places are counted so:
//!
//! * *Arguments* are compared as JSON. Two values of one kind that differ are one place: a number, a text, a truth value.
//!   So are values of different kinds, such as a text where an object belongs, since nothing inside has a meaning then. Of
//!   two objects each key counts for itself; a key that only one has is one place, whatever stands under it. In a list an
//!   element that is inserted or removed is one place, and one that changed counts as often as it differs itself. Texts
//!   that hold JSON objects or lists are read.
//! * *Parts that hold JSON or a message* are compared by what they say: messages by version, flags, metadata fields in
//!   their order, payload, and what is behind. Well-formed bytes of another form are one place. What says the same in
//!   other bytes, and what can't be read on one side, is compared by bytes.
//! * *Bytes*: one run that is put in front or behind, or cut off there, is one place, of any length. Inside, every eight
//!   bytes begun that come in, go, or stand in place of others are one place, and so is every run of changed ones that
//!   lies more than two equal bytes from the next.
//! * *Tensors*: type, each dimension and each value. The same change of type or shape in all tensors that had the old one,
//!   of the request or of one layer (`k1`, `v1`), is one change, and so are the same values in another shape. Where the
//!   shape changes, what both tensors have must agree. A layer that only one has is one place.
//! * *HTTP*: version, method, path, each header, the body, and each way in which sending it is disturbed.
//! * *What comes before* matters to operations that keep something: all such steps that are not refused themselves, and
//!   all that the request names. A step that is inserted or removed is one place; a changed one counts as often as it
//!   differs. Scripts are taken apart into their steps; those that can't be are no twins.
//!
//! Refusals that have no twin are listed with the reason in `vectors/unpaired.yaml`.

mod difference;
mod reader;
mod request;
mod tensor;
#[cfg(test)]
mod tests;
mod trial;
mod twin;
mod unpaired;

use std::collections::BTreeMap;
use std::fmt;

use crate::case::Spec;

use super::expand::Expanded;

pub use reader::Disagreement;
pub use unpaired::{Unpaired, UnpairedList};

pub(super) use reader::disagreements;

/// A request that is to be refused, in one dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Id of the vector.
    pub id: String,
    /// The dialect.
    pub spec: Spec,
    /// The operation.
    pub op: String,
    /// Index of the step.
    pub step: usize,
    /// Where the step is a script, the index of the script's step.
    pub within: Option<usize>,
    /// What proves it.
    pub how: How,
}

/// What proves that a request is wrong in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Our reader finds one cause.
    Reader {
        /// The message that it was patched from, in which our reader finds none.
        base: Option<String>,
    },
    /// An accepted request that differs in one place.
    Twin(Nearest),
    /// It is wrong in several ways on purpose.
    SeveralFaults,
    /// Nothing; this is the accepted request that differs least.
    Open(Option<Nearest>),
}

/// An accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Id of its vector.
    pub id: String,
    /// Index of the step.
    pub step: usize,
    /// Where the step is a script, the index of the script's step.
    pub within: Option<usize>,
    /// In how many places it differs.
    pub count: usize,
    /// The first of them.
    pub places: Vec<String>,
}

/// The proof of a set of recipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Every refusal, by id, dialect and step.
    pub refusals: Vec<Refusal>,
    /// Those that have no twin, and why.
    pub unpaired: UnpairedList,
}

impl Proof {
    pub(super) fn of(expanded: &[Expanded<'_>], unpaired: UnpairedList) -> Self {
        Self { refusals: twin::refusals(expanded), unpaired }
    }

    /// What is not proven, and what is wrong with the list: a line each.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut open: BTreeMap<&str, bool> = BTreeMap::new();
        for refusal in self.refusals.iter().filter(|refusal| refusal.how != How::SeveralFaults) {
            let unproven = matches!(refusal.how, How::Open(_));
            *open.entry(refusal.id.as_str()).or_default() |= unproven;
            if unproven && !self.unpaired.lists(&refusal.id) {
                wrong.push(format!(
                    "{refusal}; add a twin that differs in one place, or list it in unpaired.yaml"
                ));
            }
        }
        wrong.extend(self.unpaired.wrong(&open).into_iter().map(|line| format!("unpaired.yaml: {line}")));
        wrong
    }

    /// How many there are of each.
    pub fn count(&self) -> ProofCount {
        let mut count = ProofCount::default();
        for refusal in &self.refusals {
            match &refusal.how {
                How::SeveralFaults => {
                    count.several += 1;
                    continue;
                }
                How::Reader { base } => {
                    count.reader += 1;
                    count.patched += usize::from(base.is_some());
                }
                How::Twin(_) => count.twin += 1,
                How::Open(_) if self.unpaired.lists(&refusal.id) => count.unpaired += 1,
                How::Open(_) => count.open += 1,
            }
            count.refusals += 1;
        }
        count
    }
}

/// How many refusals are proven by what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProofCount {
    /// All that are wrong in one way, dialects counted separately.
    pub refusals: usize,
    /// By the reader.
    pub reader: usize,
    /// Those of them that were patched from a message in which it finds nothing.
    pub patched: usize,
    /// By an accepted twin.
    pub twin: usize,
    /// Listed as having none.
    pub unpaired: usize,
    /// Neither proven nor listed.
    pub open: usize,
    /// Further refusals that are wrong in several ways on purpose.
    pub several: usize,
}

impl fmt::Display for ProofCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refusals, reader, patched, twin, unpaired, open, several } = self;
        write!(
            f,
            "{refusals} refusals: {reader} by the reader ({patched} of them patched from a right message), "
        )?;
        write!(f, "{twin} by an accepted twin, {unpaired} listed as unpaired")?;
        if *open > 0 {
            write!(f, ", {open} unproven")?;
        }
        write!(f, "; {several} more are wrong in several ways on purpose")
    }
}

/// `step 3`, or `step 3, its step 1` in a script.
fn place(step: usize, within: Option<usize>) -> String {
    within.map_or_else(|| format!("step {step}"), |within| format!("step {step}, its step {within}"))
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.id, place(self.step, self.within))?;
        match self.count {
            0 => write!(f, ", asks the very same"),
            1 => write!(f, ", differs in {}", self.places.join(", ")),
            count => write!(f, ", differs in {count} places: {}", self.places.join(", ")),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}, {} ({}): ", self.id, self.spec.as_str(), place(self.step, self.within), self.op)?;
        match &self.how {
            How::Reader { base: Some(base) } => write!(f, "by the reader, patched from {base}"),
            How::Reader { base: None } => write!(f, "by the reader"),
            How::Twin(twin) => write!(f, "twin {twin}"),
            How::SeveralFaults => write!(f, "several faults on purpose"),
            How::Open(None) => write!(f, "no accepted request of this operation"),
            How::Open(Some(nearest)) => write!(f, "no twin; nearest {nearest}"),
        }
    }
}
