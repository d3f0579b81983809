//! How far a watch can be compared with its control group. Pure.

use crate::decision::control_test::Group;

/// The buckets of time, and those of them that say nothing because of the control group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Comparison {
    all: u32,
    /// Without requests of the control group.
    alone: u32,
    /// In which the control group failed itself.
    troubled: u32,
}

impl Comparison {
    /// Adds a bucket.
    pub(super) fn add(&mut self, is_comparable: bool, is_outage: bool) {
        self.all += 1;
        self.alone += u32::from(!is_comparable);
        self.troubled += u32::from(is_comparable && is_outage);
    }

    /// Why the control group, with these requests, does not allow a decision, in a sentence.
    pub(super) fn problem(self, control: Group) -> Option<String> {
        let Self { all, alone, troubled } = self;
        let Group { total, errors } = control;
        if total == 0 {
            Some("the control group has no requests, so there is nothing to compare with".to_owned())
        } else if alone * 2 > all {
            Some(format!(
                "the control group has no requests in {alone} of {all} buckets of time: does it still run?"
            ))
        } else if (alone + troubled) * 2 > all {
            Some(format!(
                "the control group fails itself ({errors} of {total}), so the comparison proves nothing"
            ))
        } else {
            None
        }
    }
}
