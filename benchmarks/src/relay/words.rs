//! The words that relay items are made of. Their number, with the shapes of the items, fixes the size of the item space;
//! a change of a list changes every item and the sum of the bundled split.

/// Who owns things in `sum` and travels in `chain`.
pub(super) const NAMES: [&str; 16] = [
    "Ann", "Ben", "Cara", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Max", "Nora",
    "Omar", "Pia",
];

/// What is counted in `sum`, and in how many sentences for each person. The word tells how long a sum is: models that had to
/// see its end from the absence of another sentence, or from the verb of the last one, added the second of two quantities
/// twice.
pub(super) const GOODS: [(&str, usize); 8] = [
    ("apples", 2),
    ("beads", 2),
    ("coins", 2),
    ("nuts", 2),
    ("pears", 3),
    ("plums", 3),
    ("shells", 3),
    ("stamps", 3),
];

/// How a quantity after the first is come by.
pub(super) const GAINS: [&str; 4] = ["buys", "finds", "gets", "wins"];

/// Colours of what is in a box.
pub(super) const COLOURS: [&str; 12] =
    ["amber", "black", "blue", "brown", "gold", "green", "grey", "pink", "red", "silver", "violet", "white"];

/// What is in a box.
pub(super) const STUFFS: [&str; 12] =
    ["chalk", "clay", "cloth", "glass", "ink", "paint", "paper", "rope", "sand", "thread", "wax", "wire"];

/// Where one travels in `chain`.
pub(super) const CITIES: [&str; 16] = [
    "Athens", "Basel", "Bergen", "Cairo", "Delhi", "Dublin", "Lima", "Lyon", "Oslo", "Paris", "Porto",
    "Prague", "Quito", "Rome", "Seoul", "Tunis",
];

/// What a city sells in `chain`.
pub(super) const WARES: [&str; 16] = [
    "bread", "butter", "cheese", "coffee", "cotton", "flour", "honey", "jam", "milk", "oil", "pepper",
    "rice", "salt", "silk", "tea", "wool",
];

/// Boxes are numbered from 1 to this.
pub(super) const BOXES: u32 = 20;

/// Quantities in `sum` go from 2 to this, so that the sum of three stays below 100: an answer is one or two digits.
pub(super) const LARGEST_QUANTITY: u32 = 30;
