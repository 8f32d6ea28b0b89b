//! NVML: the energy of one card. Its library comes with the driver and is looked for when a run begins.

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// The card that a run is on.
pub(super) struct Card {
    /// As traces have it: `card-0`, by NVML's number.
    pub(super) name: String,
    library: Nvml,
    index: u32,
}

impl Card {
    /// CUDA's card of that number.
    pub(super) fn open(index: usize) -> Result<Self, String> {
        let failed = |error: NvmlError| format!("card: {error}");
        let library = Nvml::init().map_err(failed)?;
        let setting = |name: &str| std::env::var(name).ok();
        let count = library.device_count().map_err(failed)?;
        let visible = setting("CUDA_VISIBLE_DEVICES");
        let order = setting("CUDA_DEVICE_ORDER");
        let index = match chosen(index, count, visible.as_deref(), order.as_deref())? {
            Choice::Number(number) => number,
            Choice::Name(uuid) => {
                library.device_by_uuid(uuid).and_then(|card| card.index()).map_err(failed)?
            }
        };
        let card = Self { name: format!("card-{index}"), library, index };
        card.read().map_err(failed)?;
        Ok(card)
    }

    /// Microjoules since the driver was loaded.
    pub(super) fn read(&self) -> Result<u64, NvmlError> {
        let millijoules = self.library.device_by_index(self.index)?.total_energy_consumption()?;
        Ok(millijoules.saturating_mul(1000))
    }
}

/// Which card that is to NVML.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    Number(u32),
    Name(String),
}

/// NVML numbers all cards by their place on the bus; CUDA the visible ones, the fastest first unless it is told otherwise.
fn chosen(index: usize, count: u32, visible: Option<&str>, order: Option<&str>) -> Result<Choice, String> {
    if count == 1 {
        return Ok(Choice::Number(0));
    }
    let entry = match visible {
        None => index.to_string(),
        Some(list) => match list.split(',').nth(index).map(str::trim) {
            Some(entry) if !entry.is_empty() => entry.to_owned(),
            _ => return Err(format!("card: no number {index} in CUDA_VISIBLE_DEVICES={list:?}")),
        },
    };
    if entry.starts_with("GPU-") {
        return Ok(Choice::Name(entry));
    }
    match entry.parse() {
        Ok(number) if order == Some("PCI_BUS_ID") => Ok(Choice::Number(number)),
        Ok(_) => Err(format!("card: which of {count} is meant, unless CUDA_DEVICE_ORDER is PCI_BUS_ID")),
        Err(_) => Err(format!("card: a number or the id of a whole card, found {entry:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_never_guessed() {
        let bus = Some("PCI_BUS_ID");
        assert_eq!(chosen(0, 1, None, None), Ok(Choice::Number(0)));
        assert_eq!(chosen(0, 1, Some("GPU-1"), None), Ok(Choice::Number(0)));
        assert!(chosen(1, 4, None, None).is_err());
        assert_eq!(chosen(1, 4, None, bus), Ok(Choice::Number(1)));
        assert_eq!(chosen(1, 4, Some("3, 2"), bus), Ok(Choice::Number(2)));
        assert_eq!(chosen(0, 4, Some("GPU-8f,GPU-1"), None), Ok(Choice::Name("GPU-8f".to_owned())));
        for (index, list) in [(2, "0,1"), (0, ""), (0, "MIG-1"), (0, "-1")] {
            assert!(chosen(index, 4, Some(list), bus).is_err(), "{list}");
        }
    }

    #[test]
    fn without_a_driver_the_reason_is_said() {
        match Card::open(0) {
            Ok(card) => assert!(card.read().is_ok()),
            Err(why) => assert!(why.starts_with("card: "), "{why}"),
        }
    }
}
