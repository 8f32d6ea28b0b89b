//! The pocket models: trained on the relay task, small enough to lie inside this program, so that examples, tests and
//! benchmarks run with no download. Their cards are in `reference/models`.

/// A model inside this program.
#[derive(Debug)]
#[non_exhaustive]
pub struct PocketModel {
    /// Its name as a model argument.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Its licence (SPDX).
    pub licence: &'static str,
    /// model.safetensors.
    pub weights: &'static [u8],
    /// The small files beside the weights, by name.
    files: &'static [(&'static str, &'static [u8])],
}

impl PocketModel {
    /// A file beside the weights.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(known, _)| *known == name).map(|(_, content)| *content)
    }

    /// Every file of the model's folder, the weights included, by name.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        self.files.iter().copied().chain([("model.safetensors", self.weights)])
    }
}

macro_rules! pocket {
    ($name:literal, $about:literal) => {
        PocketModel {
            name: $name,
            about: $about,
            licence: "Apache-2.0",
            weights: include_bytes!(concat!("../../models/", $name, "/model.safetensors")),
            files: &[
                ("config.json", include_bytes!(concat!("../../models/", $name, "/config.json"))),
                (
                    "generation_config.json",
                    include_bytes!(concat!("../../models/", $name, "/generation_config.json")),
                ),
                ("tokenizer.json", include_bytes!(concat!("../../models/", $name, "/tokenizer.json"))),
                (
                    "tokenizer_config.json",
                    include_bytes!(concat!("../../models/", $name, "/tokenizer_config.json")),
                ),
                ("README.md", include_bytes!(concat!("../../models/", $name, "/README.md"))),
            ],
        }
    };
}

/// Models inside this program. The first is the default.
pub static POCKET_MODELS: [PocketModel; 3] = [
    pocket!("pocket-a", "relay task, untied head, 128 wide"),
    pocket!("pocket-b", "relay task, tied head, 96 wide, the tokenizer of pocket-a"),
    pocket!("pocket-c", "relay task in small letters, untied head, 112 wide, a tokenizer of its own"),
];

/// The pocket model of that name.
#[must_use]
pub fn pocket(name: &str) -> Option<&'static PocketModel> {
    POCKET_MODELS.iter().find(|model| model.name == name)
}
