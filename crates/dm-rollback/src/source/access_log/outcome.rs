//! What a request says about the application. Pure.

use super::entry::{Entry, Upstream};

/// What a request says about the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The application answered.
    Answered,
    /// The application, or the server, refused the request: 4xx.
    Refused,
    /// The application failed.
    Failed,
    /// The client gave up before it had an answer: 499, or no status at all.
    GivenUp,
    /// The server failed without having asked the application, as its upstream field says.
    NotReached,
    /// The server itself answered well: a file, or a redirect.
    Served,
    /// The server itself answered with an error, which says nothing about the application.
    Unrelated,
}

impl Outcome {
    /// Classifies a request. If nginx says what the application answered, that decides.
    pub(super) fn of(entry: &Entry<'_>) -> Self {
        let status = entry.status;
        match entry.upstream {
            Some(Upstream::Answered(499)) => Self::GivenUp,
            Some(Upstream::Answered(answer)) => Self::of_status(answer),
            // nginx writes no status for an application that had not answered when the client went away.
            _ if matches!(status, 0 | 499) => Self::GivenUp,
            Some(Upstream::Silent) if matches!(status, 500 | 502 | 504) => Self::NotReached,
            Some(Upstream::Silent) if matches!(status, 100..400) => Self::Served,
            Some(Upstream::Silent) => Self::Unrelated,
            // A client gets these from the server with a request such as GET / HTTP/9.9.
            None if matches!(status, 501 | 505) => Self::Unrelated,
            None if entry.is_garbage && (400..500).contains(&status) => Self::Unrelated,
            None => Self::of_status(status),
        }
    }

    fn of_status(status: u16) -> Self {
        match status {
            100..400 => Self::Answered,
            500..600 => Self::Failed,
            // nginx writes 009 for a request in HTTP/0.9, which has no status.
            0..100 => Self::Unrelated,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, upstream: Option<&str>) -> Outcome {
        let upstream = upstream.and_then(Upstream::parse);
        Outcome::of(&Entry { status, upstream, ..Entry::default() })
    }

    #[test]
    fn the_server_s_own_answers_say_nothing_about_the_application() {
        for status in [9, 501, 505] {
            assert_eq!(outcome(status, None), Outcome::Unrelated, "{status}");
        }
        for status in [400, 408, 414] {
            let garbage = Entry { status, is_garbage: true, ..Entry::default() };
            assert_eq!(Outcome::of(&garbage), Outcome::Unrelated);
        }
        let bad_request_line = Entry { status: 500, is_garbage: true, ..Entry::default() };
        assert_eq!(
            Outcome::of(&bad_request_line),
            Outcome::Failed,
            "the log may write requests in another form"
        );
        for status in [200, 404, 500, 502, 503] {
            let expected =
                if matches!(status, 200..300) { Outcome::Answered } else { Outcome::of_status(status) };
            assert_eq!(outcome(status, None), expected);
        }
    }

    #[test]
    fn the_application_s_own_answer_decides() {
        assert_eq!(outcome(200, Some("503")), Outcome::Failed, "a page that hides the failure");
        assert_eq!(outcome(501, Some("501")), Outcome::Failed);
        assert_eq!(outcome(503, Some("200")), Outcome::Answered);
        assert_eq!(outcome(200, Some("502, 200")), Outcome::Answered);
        for absent in ["-", ""] {
            for status in [404, 429, 503, 501] {
                assert_eq!(outcome(status, Some(absent)), Outcome::Unrelated, "{status}");
            }
            assert_eq!([200, 304].map(|status| outcome(status, Some(absent))), [Outcome::Served; 2]);
        }
        assert_eq!(outcome(502, Some("-")), Outcome::NotReached);
    }

    #[test]
    fn a_client_that_gave_up_is_neither_a_success_nor_a_failure() {
        for upstream in [None, Some("-"), Some("502, -"), Some("499")] {
            assert_eq!(outcome(499, upstream), Outcome::GivenUp, "{upstream:?}");
        }
        assert_eq!(outcome(0, None), Outcome::GivenUp);
        assert_eq!(outcome(499, Some("504")), Outcome::Failed);
    }
}
