//! PIECES → TEXT: what of a model's output is the answer.

use std::ops::ControlFlow;

use crate::model::OnText;

/// Takes the pieces as the model gives them, and tells the answer's own as soon as they stand firm: without white space at
/// both ends, and up to the first text that ends it. What it tells, put together, is what it holds at the end.
pub(super) struct AnswerText<'a> {
    stops: &'a [String],
    /// What has been told.
    told: String,
    /// What may still be white space at the end, or become a text that ends the answer.
    held: String,
    ended: bool,
}

impl<'a> AnswerText<'a> {
    /// An empty text ends nothing: it would end every answer before it begins.
    pub(super) fn new(stops: &'a [String]) -> Self {
        Self { stops, told: String::new(), held: String::new(), ended: false }
    }

    /// Whether one of the texts has ended the answer.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next piece. Breaks when the answer is over, or its reader has enough. `on_text` is told something each time, were
    /// it nothing: whoever has enough says so when told, and is heard while white space or half a stop text is held back.
    pub(super) fn push(&mut self, piece: &str, on_text: OnText<'_>) -> ControlFlow<()> {
        if self.ended {
            return ControlFlow::Break(());
        }
        let begins = self.told.is_empty() && self.held.is_empty();
        // A byte-level model begins its answer with a space, which must not be what ends it.
        self.held.push_str(if begins { piece.trim_start() } else { piece });
        // The one that is complete first decides, so that nothing depends on how the text is cut into pieces.
        let stops = self.stops.iter().filter(|stop| !stop.is_empty());
        let found = stops.filter_map(|stop| self.held.find(&**stop).map(|at| (at + stop.len(), at)));
        if let Some((_, at)) = found.min() {
            self.ended = true;
            let _ = self.tell(at, on_text);
            return ControlFlow::Break(());
        }
        let begun = self.stops.iter().map(|stop| begun(&self.held, stop)).max().unwrap_or_default();
        self.tell(self.held.len() - begun, on_text)
    }

    /// The whole answer. The rest of it is told, where there is any.
    pub(super) fn finish(mut self, on_text: OnText<'_>) -> String {
        if !self.ended && !self.held.trim_end().is_empty() {
            let _ = self.tell(self.held.len(), on_text);
        }
        self.told
    }

    /// Tells what is held, up to there, without white space at the end.
    fn tell(&mut self, end: usize, on_text: OnText<'_>) -> ControlFlow<()> {
        let firm = self.held[..end].trim_end().len();
        if firm == 0 {
            return on_text("");
        }
        let piece: String = self.held.drain(..firm).collect();
        self.told.push_str(&piece);
        on_text(&piece)
    }
}

/// How many bytes at the end of a text may be the begin of `stop`.
fn begun(text: &str, stop: &str) -> usize {
    let begins = stop.char_indices().map(|(at, _)| at).rev();
    begins.into_iter().find(|&len| text.ends_with(&stop[..len])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(pieces: &[&str], stops: &[&str]) -> (Vec<String>, String, bool) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let (mut text, mut told) = (AnswerText::new(&stops), Vec::new());
        let mut on_text = |piece: &str| {
            if !piece.is_empty() {
                told.push(piece.to_owned());
            }
            ControlFlow::Continue(())
        };
        let mut cut = false;
        for piece in pieces {
            cut |= text.push(piece, &mut on_text).is_break();
        }
        assert_eq!(cut, text.has_ended());
        let whole = text.finish(&mut on_text);
        (told, whole, cut)
    }

    #[test]
    fn pieces_are_told_once_they_stand_firm() {
        let (pieces, whole, _) = told(&[" ", " Ann", " buys ", "\n", "silk.", " \n"], &[]);
        assert_eq!(pieces, ["Ann", " buys", " \nsilk."]);
        assert_eq!(whole, "Ann buys \nsilk.");
    }

    #[test]
    fn a_stop_text_ends_the_answer_and_is_no_part_of_it() {
        for (pieces, stops, expected, ends) in [
            (&["one E", "ND two"][..], &["END"][..], "one", true),
            (&["one E", "N two"], &["END"], "one EN two", false),
            (&["abcd"], &["abcd", "c"], "ab", true),
            (&["a", "b", "c", "d"], &["abcd", "c"], "ab", true),
            (&["END"], &["END"], "", true),
            (&["é😀"], &["😀"], "é", true),
            (&["one", "\n\n", "two"], &["\n\n"], "one", true),
            (&[" one two"], &[" "], "one", true),
            (&["one"], &[""], "one", false),
            (&["one E"], &["END"], "one E", false),
        ] {
            let (told, whole, cut) = told(pieces, stops);
            assert_eq!((&*whole, cut, told.concat()), (expected, ends, whole.clone()), "{pieces:?}");
        }
    }

    #[test]
    fn a_reader_may_have_enough() {
        let mut text = AnswerText::new(&[]);
        assert!(text.push("one", &mut |_| ControlFlow::Break(())).is_break());
        assert!(!text.has_ended());
    }

    #[test]
    fn a_reader_who_has_enough_is_heard_while_nothing_is_told() {
        let stops = ["end".to_owned()];
        for held in ["", " \n", "e", "en"] {
            let mut text = AnswerText::new(&stops);
            let mut heard = Vec::new();
            let broken = text.push(held, &mut |piece| {
                heard.push(piece.to_owned());
                ControlFlow::Break(())
            });
            assert!(broken.is_break() && !text.has_ended(), "{held:?}");
            assert_eq!(heard, [""], "{held:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cut_changes_the_text(
            text in "[ab \né]{0,24}",
            stops in prop::collection::vec("[ab \né]{1,3}", 0..4),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|index| *index.get(&ends)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (told_pieces, whole, cut) = told(&pieces, &stops);
            let text = text.trim_start();
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            // The first end of a stop text decides, and of those that end there the longest.
            let end = ends.iter().find(|&&end| stops.iter().any(|stop| text[..end].ends_with(stop)));
            let expected = match end {
                Some(&end) => {
                    let longest = stops.iter().filter(|stop| text[..end].ends_with(**stop)).map(|stop| stop.len()).max();
                    text[..end - longest.unwrap_or_default()].trim()
                }
                None => text.trim(),
            };
            prop_assert_eq!(&*whole, expected);
            prop_assert_eq!(told_pieces.concat(), whole);
            prop_assert_eq!(cut, end.is_some());
        }
    }
}
