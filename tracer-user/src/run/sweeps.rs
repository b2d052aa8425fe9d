//! Sweeps that found nobody, one after the other, of which an agent would write thousands a day: they change nothing.

use crate::model::inquiry::{Answer, Inquiry, Question, Reply};

#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// Whether any are left out.
    pub(super) are_spared: bool,
    /// The one under way, which is written with its answer if at all.
    asked: Option<Inquiry>,
    /// The last one found nobody, and that was written.
    found_nobody: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Nothing,
    /// Its inquiry was written when it was asked.
    Answer,
    /// First its inquiry.
    Both(Inquiry),
}

impl Sweeps {
    /// Whether the inquiry is kept back until its answer is there.
    pub(super) fn keeps(&mut self, inquiry: &Inquiry) -> bool {
        let is_kept = self.are_spared && inquiry.question == Question::Sweep;
        if is_kept {
            self.asked = Some(inquiry.clone());
        }
        is_kept
    }

    /// What is written when the answer is there.
    pub(super) fn written(&mut self, answer: &Answer) -> Written {
        let Some(inquiry) = self.asked.take_if(|inquiry| inquiry.id == answer.id) else {
            return Written::Answer;
        };
        let finds_nobody = matches!(&answer.reply, Reply::Swept(waiting) if waiting.is_empty());
        let is_news = !(finds_nobody && self.found_nobody);
        self.found_nobody = finds_nobody;
        if is_news {
            Written::Both(inquiry)
        } else {
            Written::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::Netns;
    use crate::model::time::Timestamp;

    fn inquiry(id: u64, question: Question) -> Inquiry {
        Inquiry {
            id,
            at: Timestamp::default(),
            netns: Netns::default(),
            hint: None,
            question,
        }
    }

    fn answer(id: u64, reply: Reply) -> Answer {
        Answer {
            id,
            at: Timestamp::default(),
            enter: None,
            reply,
        }
    }

    #[test]
    fn only_the_first_sweep_in_a_row_that_finds_nobody_is_written() {
        let mut sweeps = Sweeps {
            are_spared: true,
            ..Sweeps::default()
        };
        let mut sweep = |id, reply| {
            assert!(sweeps.keeps(&inquiry(id, Question::Sweep)));
            sweeps.written(&answer(id, reply)) != Written::Nothing
        };
        let nobody = || Reply::Swept(Vec::new());
        let written = [nobody(), nobody(), Reply::Gone, nobody(), nobody()];
        let written: Vec<_> = (0..).zip(written).map(|(id, reply)| sweep(id, reply)).collect();
        assert_eq!(written, [true, false, true, true, false]);
        // Other questions are written as they are asked.
        assert!(!sweeps.keeps(&inquiry(9, Question::Stalled)));
        assert_eq!(sweeps.written(&answer(9, Reply::Gone)), Written::Answer);
    }

    #[test]
    fn a_recording_by_hand_has_them_all() {
        let mut sweeps = Sweeps::default();
        assert!(!sweeps.keeps(&inquiry(1, Question::Sweep)));
        assert_eq!(sweeps.written(&answer(1, Reply::Swept(Vec::new()))), Written::Answer);
    }
}
