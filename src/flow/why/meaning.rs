//! What an answer of a receiver, and what a refusal of ours, means and what to change.

use crate::channel::{kinds, remedy};
use crate::store::history::found::DeliveryHistory;

/// An outcome as it is said.
pub fn outcome(text: &str) -> &str {
    match text {
        "delivered" => "accepted",
        "partial" => "accepted for some recipients, refused for the others",
        "retry" => "not for now",
        "unknown" => "no answer that we know; it may have arrived",
        "throttled" => "not for now: too many messages came",
        "misconfigured" => "refused: the setting of the channel is wrong",
        "too_long" => "refused: it is too long",
        "content_refused" => "refused for what it says",
        "rejected" => "refused for good",
        "bug" => "refused: our request is malformed",
        other => other,
    }
}

/// What an answer means, and what to change; `None` where it was accepted.
pub fn of_answer(kind: Option<&str>, outcome: &str, words: &str) -> Option<(&'static str, &'static str)> {
    if outcome == "delivered" {
        return None;
    }
    let of_kind = kind.and_then(|kind| kinds::remedy_of(kind, words));
    let known = of_kind.or_else(|| remedy::in_transit(words));
    known.map(|remedy| (remedy.cause(), remedy.cure())).or_else(|| in_general(outcome))
}

/// Why the last try of a delivery failed, in our words or else in the receiver's.
pub fn of_last_try(delivery: &DeliveryHistory, kind: Option<&str>) -> Option<String> {
    let (outcome, answer) = (delivery.outcome.as_deref()?, delivery.answer.as_deref().unwrap_or_default());
    of_answer(kind, outcome, answer).map(|(cause, _)| cause.to_owned())
}

/// An answer's words, without what its meaning says.
pub fn said(kind: Option<&str>, words: &str) -> String {
    kind.map_or_else(|| words.to_owned(), |kind| kinds::said_beside(kind, words))
}

/// Where no table knows more than what becomes of such a message.
fn in_general(outcome: &str) -> Option<(&'static str, &'static str)> {
    Some(match outcome {
        "partial" => ("some recipients do not exist there, or are refused", "look at the addresses in the answer"),
        "retry" => ("the receiver does not take messages now", "look whether it runs, if this goes on"),
        "unknown" => (
            "the answer was lost on the way, or the message was",
            "nothing: it is sent again, with the same key where the receiver takes one, else marked as a possible repeat",
        ),
        "throttled" => ("the receiver finds that too many messages come", "nothing: what waits goes out later"),
        "misconfigured" => (
            "the receiver does not accept the address, the token or the secret",
            "copy them anew from the receiver, then see what `orderbell test` says",
        ),
        "too_long" => ("the message is over the receiver's limit", "shorten the template, if it is one of yours"),
        "content_refused" => ("the receiver does not like what the message says", "look at the template"),
        "rejected" => ("the receiver will never take this message", "look at the answer"),
        "bug" => ("the receiver says that our request is malformed", "please report it, with the answer"),
        _ => return None,
    })
}

/// A refusal of ours by what stands in its reason, with what it comes from and what to change.
struct Explained {
    says: &'static str,
    cause: &'static str,
    cure: &'static str,
}

const fn explained(says: &'static str, cause: &'static str, cure: &'static str) -> Explained {
    Explained { says, cause, cure }
}

/// What the refusals of [`crate::flow::refusals`] mean.
#[rustfmt::skip]
const REFUSALS: &[Explained] = &[
    explained("does not fit the address",
        "the platform signs for another address than this one, or with the secret of another application",
        "register exactly this address at the platform, or set `registered_url` to the one that is registered; compare `app_secret` with the application's"),
    explained("token is not what",
        "the platform has another secret or password, or the other token mode",
        "copy `secret` or `password` anew from the platform's page, and compare the token mode there"),
    explained("behind this machine's clock",
        "it came later than `max_age` allows, or one of the two clocks is wrong",
        "look at this machine's clock (`timedatectl`); raise `max_age` if the platform is known to be late"),
    explained("ahead of this machine's clock",
        "this machine's clock is behind, or the platform's is ahead",
        "look at this machine's clock (`timedatectl`)"),
    explained("it is of application",
        "the address is registered for another application too; those for tests and for production differ",
        "set `app_id` and `app_secret` to that application's if it is yours, else take the address out of it"),
    explained("its shape is not",
        "it is none of the platform's webhooks: a stranger's request, or another of the platform's interfaces",
        "nothing, as long as the platform's own arrive; else compare the address that is entered at the platform"),
    explained("its body is encoded as",
        "the platform, or a proxy in front, compresses in a way that is not undone here, or the packing is broken",
        "switch the compression off there, or let it be gzip"),
    explained("its proof has come before",
        "a proof that was used is used again for something else, as somebody would who has overheard it",
        "nothing, if no webhook is missing; use HTTPS, so that nobody can overhear"),
    explained("fits none of the recipes",
        "the source only observes, and keeps so many unproven webhooks in an hour and no more",
        "find out why the signatures do not fit (`public_url`, `registered_url`, `app_secret`), then set verify = \"enforce\""),
    explained("by another method",
        "somebody looked at the address with a browser, or the platform or a proxy changes the method",
        "nothing, as long as the platform's own arrive; else look whether a proxy redirects, as from http:// to https://"),
    explained("its body is larger",
        "it is larger than `max_body` allows",
        "raise `max_body` in `[server]` if it is the platform's, and restart"),
    explained("its body was not whole",
        "the line or the proxy in front was too slow, or a stranger holds connections open",
        "nothing, if it came again; else look at the proxy in front"),
    explained("its body was broken off",
        "the connection broke, or the proxy in front closed it",
        "nothing, if it came again; else look at the proxy in front"),
    explained("there was too much at once",
        "more came at once than orderbell holds, or it was being stopped",
        "nothing, if it came again"),
];

/// What a refusal means, and what to change.
pub fn of_refusal(reason: &str) -> Option<(&'static str, &'static str)> {
    let lower = reason.to_lowercase();
    REFUSALS.iter().find(|known| lower.contains(known.says)).map(|known| (known.cause, known.cure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::refusals;
    use crate::platform::Refusal;

    #[test]
    fn every_reason_for_which_a_webhook_is_refused_is_explained_by_a_row_of_its_own() {
        let reasons = [
            Refusal::Signature,
            Refusal::Token,
            Refusal::Stale { off_by_seconds: 90_000 },
            Refusal::Stale { off_by_seconds: -90_000 },
            Refusal::AnotherApp("7".to_owned()),
            Refusal::Shape("sig is missing".to_owned()),
            Refusal::Encoding("br"),
            Refusal::Method,
        ]
        .map(|refusal| refusals::reason(&refusal, "https://bell.example.com/hooks/keeta"));
        let ours = [refusals::REPLAYED, refusals::TOO_MANY_UNPROVEN, refusals::BROKEN_OFF, refusals::NOT_NOW];
        let unread = [refusals::too_large(1_048_576), refusals::late(std::time::Duration::from_secs(10))];
        let mut causes: Vec<&str> = Vec::new();
        for reason in reasons.iter().chain(&ours.map(str::to_owned)).chain(&unread) {
            let (cause, _) = of_refusal(reason).unwrap_or_else(|| panic!("nothing about: {reason}"));
            causes.push(cause);
        }
        causes.sort_unstable();
        causes.dedup();
        assert_eq!((causes.len(), REFUSALS.len()), (14, 14));
    }

    #[test]
    fn every_outcome_but_acceptance_means_something() {
        use crate::domain::retry::Outcome;
        let wait = jiff::SignedDuration::ZERO;
        for known in [
            Outcome::Partial { refused: Vec::new() },
            Outcome::Retry { after: None },
            Outcome::Unknown,
            Outcome::Throttled { wait },
            Outcome::Misconfigured,
            Outcome::TooLong,
            Outcome::ContentRefused,
            Outcome::Rejected,
            Outcome::Bug,
        ] {
            assert!(of_answer(None, known.as_str(), "").is_some(), "{known:?}");
            assert_ne!(outcome(known.as_str()), known.as_str());
        }
        assert_eq!(of_answer(Some("dingtalk"), "delivered", "errcode 0"), None);
        let keyword = of_answer(Some("dingtalk"), "misconfigured", "errcode 310000: “keywords not in content”");
        assert_eq!(keyword.map(|(cause, _)| cause), Some("the robot demands a keyword"));
        let refused = of_answer(Some("dingtalk"), "retry", "not connected: connection refused");
        assert_eq!(refused.map(|(cause, _)| cause), Some("nothing listens at this address and port"));
    }
}
