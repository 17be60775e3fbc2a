//! What receivers really say, as data: each answer in `tests/answers/` is judged by the row that is meant for it, each row of
//! each table has one, and no word of a receiver is taken for one of ours.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use orderbell::channel::email::mailbox::masked;
use orderbell::channel::http::Response;
use orderbell::channel::smtp::reply::{SmtpFailure, SmtpPhase, SmtpReply};
use orderbell::channel::{Judged, dingtalk, email, kinds, webhook, wecom};
use orderbell::domain::data::Notice;
use orderbell::domain::event::{Event, EventId, Kind, OWN_SOURCE, SignatureCheck};
use orderbell::domain::message_context::MessageContext;
use orderbell::domain::payload::Payload;
use orderbell::domain::retry::Outcome;
use orderbell::domain::template::Templates;
use orderbell::domain::{duration, language};
use serde::Deserialize;

use crate::words::foreign::english;

/// What a receiver could say back of a message. It stands in each answer of each receiver, and in no words of our own.
const BUYER: &str = " Zebediah “Quill” 4711";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

/// One answer, and what it means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    row: String,
    outcome: String,
    /// How long the receiver makes us wait.
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    wait: Option<SignedDuration>,
    /// What must stand in our own words.
    own: Option<String>,
    /// Where the answer comes from.
    source: String,
    // Over HTTP.
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    body: String,
    /// In the place of `body`, bytes that are no UTF-8, in hexadecimal digits.
    body_hex: Option<String>,
    #[serde(default)]
    truncated: bool,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    retry_after: Option<SignedDuration>,
    // Over SMTP: the step, and what is said, or why nothing is.
    phase: Option<String>,
    reply: Option<String>,
    lost: Option<String>,
    unfit: Option<String>,
}

fn ok() -> u16 {
    200
}

impl Case {
    /// The answer of an HTTP server, with more words in it where that leaves it what it is.
    fn response(&self, more: &str) -> Response {
        const SAID: &str = "\"errmsg\":\"";
        let mut body = self.body.clone();
        match body.find(SAID) {
            Some(at) => body.insert_str(at + SAID.len(), more),
            None if serde_json::from_str::<serde_json::Value>(&body).is_ok() || body.is_empty() => {}
            None => body.push_str(more),
        }
        let hex = self.body_hex.as_ref().map(|hex| hex::decode(hex).expect("hexadecimal digits"));
        let (status, retry_after, truncated) = (self.status, self.retry_after, self.truncated);
        let body = hex.unwrap_or_else(|| body.into_bytes());
        Response { status, retry_after, date: None, body, truncated }
    }

    fn sent(&self, more: &str) -> Result<SmtpReply, SmtpFailure> {
        let phase = match self.phase.as_deref().expect("a step") {
            "connect" => SmtpPhase::Connect,
            "greeting" => SmtpPhase::Greeting,
            "hello" => SmtpPhase::Hello,
            "starttls" => SmtpPhase::StartTls,
            "auth" => SmtpPhase::Auth,
            "mail" => SmtpPhase::Mail,
            "rcpt" => SmtpPhase::Recipient,
            "data" => SmtpPhase::Data,
            "content" => SmtpPhase::Content,
            "answer" => SmtpPhase::Answer,
            other => panic!("there is no step {other}"),
        };
        if let Some(why) = &self.lost {
            return Err(SmtpFailure::Lost { phase, why: why.clone() });
        }
        if let Some(why) = &self.unfit {
            return Err(SmtpFailure::Unfit { phase, why: why.clone() });
        }
        let reply = self.reply.as_deref().expect("a reply");
        let code = reply[..3].parse().expect("a code");
        let lines: Vec<String> = format!("{reply}{more}").lines().map(|line| line[4..].to_owned()).collect();
        let reply = SmtpReply::new(code, &lines);
        if reply.is_accepted() && phase == SmtpPhase::Answer {
            Ok(reply)
        } else {
            Err(SmtpFailure::Refused { phase, reply })
        }
    }
}

type Judge = fn(&Case, &str) -> Judged;

/// Each channel: its name, the rows of its table, and how it judges.
fn channels() -> [(&'static str, Vec<&'static str>, Judge); 4] {
    [
        ("dingtalk", dingtalk::answers::rows(), |case, more| dingtalk::answers::judge(&case.response(more))),
        ("wecom", wecom::answers::rows(), |case, more| wecom::answers::judge(&case.response(more))),
        ("email", email::answers::rows(), |case, more| {
            email::answers::judge(case.sent(more), &masked("cook@orderbell.test").to_string())
        }),
        ("webhook", webhook::answers::rows(), |case, more| {
            let said = format!("{}{more}", case.body);
            webhook::answers::judge(case.status, case.retry_after, &said)
        }),
    ]
}

fn cases(channel: &str) -> Vec<Case> {
    let file = format!("{}/tests/answers/{channel}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let cases: Cases = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    cases.case
}

/// An answer as a failing test shows it.
fn shown(channel: &str, case: &Case) -> String {
    let Case { row, status, body, body_hex, phase, reply, .. } = case;
    let said = match (phase, reply) {
        (Some(phase), reply) => format!("{phase}: {}", reply.as_deref().unwrap_or("no reply")),
        (None, _) => format!("{status} {body}{}", body_hex.as_deref().unwrap_or_default()),
    };
    format!("{channel}, row \"{row}\", {said}")
}

fn wait(outcome: &Outcome) -> Option<SignedDuration> {
    match outcome {
        Outcome::Throttled { wait } => Some(*wait),
        Outcome::Retry { after } => *after,
        _ => None,
    }
}

#[test]
fn each_answer_is_judged_by_the_row_that_is_meant_for_it() {
    let mut faults = Vec::new();
    for (channel, _, judge) in channels() {
        for case in cases(channel) {
            let Judged { row, answer } = judge(&case, "");
            let mut check = |right: bool, fault: String| {
                if !right {
                    faults.push(format!("{}: {fault}", shown(channel, &case)));
                }
            };
            check(row == case.row, format!("judged by \"{row}\""));
            check(answer.outcome.as_str() == case.outcome, format!("{:?}", answer.outcome));
            check(wait(&answer.outcome) == case.wait, format!("waits {:?}", wait(&answer.outcome)));
            let own = answer.redacted_detail();
            check(case.own.as_deref().is_none_or(|wanted| own.contains(wanted)), format!("own words: {own}"));
            check(!case.source.trim().is_empty(), "nobody knows where it comes from".to_owned());
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_row_has_a_name_of_its_own_and_an_answer_that_it_judges() {
    for (channel, rows, judge) in channels() {
        let names: BTreeSet<&str> = rows.iter().copied().collect();
        assert_eq!(names.len(), rows.len(), "{channel}: two rows have one name");
        let hit: BTreeSet<&str> = cases(channel).iter().map(|case| judge(case, "").row).collect();
        let missing: Vec<_> = names.difference(&hit).collect();
        assert!(missing.is_empty(), "{channel}: no answer for {missing:?}");
        let strange: Vec<_> = hit.difference(&names).collect();
        assert!(strange.is_empty(), "{channel}: {strange:?} are in no table");
    }
}

/// Of a WebHook 2xx, of a mail server a yes to the whole mail.
#[test]
fn only_errcode_zero_is_acceptance() {
    for (channel, _, judge) in channels() {
        let yes = ["0", "taken", "2xx"];
        for case in cases(channel) {
            let Judged { row, answer } = judge(&case, "");
            let delivered = answer.outcome == Outcome::Delivered;
            assert_eq!(delivered, yes.contains(&row), "{}", shown(channel, &case));
        }
    }
    // Whatever the status and whatever stands around it.
    for status in (0..200).chain(300..1000) {
        let body = br#"{"errcode":0,"errmsg":"ok"}"#.to_vec();
        let response = Response { status, retry_after: None, date: None, body, truncated: false };
        for judged in [dingtalk::answers::judge(&response), wecom::answers::judge(&response)] {
            assert_ne!(judged.answer.outcome, Outcome::Delivered, "{status}");
        }
        assert_ne!(webhook::answers::judge(status, None, "ok").answer.outcome, Outcome::Delivered, "{status}");
    }
}

/// The remedies of a kind of channel, by what the language files call them.
fn remedies(kind: &str) -> BTreeSet<String> {
    let keys = language::built_in("en").unwrap().keys();
    let of_kind = keys.filter_map(|key| key.strip_prefix("remedy.")?.strip_suffix(".cause"));
    of_kind.filter(|key| key.starts_with(&format!("{kind}."))).map(str::to_owned).collect()
}

#[test]
fn each_remedy_is_given_for_some_answer_and_stands_in_our_own_words_where_a_robot_speaks() {
    for (channel, _, judge) in channels() {
        let mut given = BTreeSet::new();
        for case in cases(channel) {
            let Judged { answer, .. } = judge(&case, "");
            let Some(remedy) = kinds::remedy_of(channel, &answer.detail) else { continue };
            assert!(!remedy.cause().is_empty() && !remedy.cure().is_empty(), "{} has no words", remedy.key);
            given.insert(remedy.key.to_owned());
            if answer.detail.starts_with("errcode ") {
                assert!(
                    answer.redacted_detail().contains(remedy.cause()),
                    "{}: {}",
                    shown(channel, &case),
                    answer.detail
                );
            }
        }
        let unused: Vec<_> = remedies(channel).difference(&given).cloned().collect();
        assert!(unused.is_empty(), "{channel}: no answer leads to {unused:?}");
        let unknown: Vec<_> = given.difference(&remedies(channel)).cloned().collect();
        assert!(unknown.is_empty(), "{channel}: {unknown:?} are in no language file");
    }
}

/// What a channel's refusal reads like in a notice.
fn notice(detail: &str, language: &str) -> String {
    let notice = Notice { topic: "parked".to_owned(), detail: Some(detail.to_owned()), ..Notice::default() };
    let now = jiff::Timestamp::from_second(1_750_000_000).expect("a moment");
    let event = Event {
        id: EventId(uuid::Uuid::nil()),
        kind: Kind::OperatorNotice,
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: None,
        order: None,
        data: Payload::Notice(Box::new(notice)).into(),
        proof: SignatureCheck::Own,
    };
    let timezone = &jiff::tz::TimeZone::UTC;
    let view =
        MessageContext { event: &event, order: None, language, timezone, channel: "owner", channel_kind: "email" };
    let composed = Templates::built_in().expect("the built-in templates parse").compose(&view);
    // So that no address in a value becomes a link.
    composed.expect("a notice").document.plain_text().replace("：//", "://")
}

#[test]
fn a_notice_says_what_an_answer_comes_from_in_the_language_of_its_reader() {
    let (mut count, mut faults) = (0, Vec::new());
    for (channel, _, judge) in channels() {
        for case in cases(channel) {
            let answer = judge(&case, "").answer;
            // What stands in brackets is a cause with its cure, a hint, or what the answer is that holds no code.
            let Some((_, english)) = answer.redacted_detail().split_once(" (") else { continue };
            let english = english.trim_end_matches(')');
            let remedy = kinds::remedy_of(channel, &answer.detail);
            let part = match remedy {
                Some(remedy) if english == remedy.hint() => Some("hint"),
                Some(remedy) if english.starts_with(remedy.cause()) => Some("cause"),
                _ if channel == "email" => continue,
                _ => None,
            };
            count += 1;
            assert!(
                notice(answer.redacted_detail(), "en").contains(english),
                "{channel}: {}",
                answer.redacted_detail()
            );
            let chinese = notice(answer.redacted_detail(), "zh-CN");
            let wanted = remedy.zip(part).map(|(remedy, part)| {
                let key = format!("remedy.{}.{part}", remedy.key);
                language::built_in("zh-CN").unwrap().word(&key).unwrap_or_default()
            });
            if chinese.contains(english) || !wanted.is_none_or(|wanted| chinese.contains(wanted)) {
                faults.push(format!("{}: {chinese}", shown(channel, &case)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "{count}");
}

#[test]
fn a_chinese_notice_leaves_no_word_of_ours_in_english() {
    let mut faults = Vec::new();
    for (channel, _, judge) in channels() {
        for case in cases(channel) {
            let chinese = notice(judge(&case, "").answer.redacted_detail(), "zh-CN");
            let said = chinese.lines().filter(|line| !line.contains("orderbell"));
            let left = english(&said.collect::<Vec<_>>().join("\n"), &BTreeSet::new());
            if !left.is_empty() {
                faults.push(format!("{}: {left:?} in {chinese}", shown(channel, &case)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_word_of_a_receiver_is_among_our_own() {
    let mut count = 0;
    for (channel, _, judge) in channels() {
        for case in cases(channel) {
            let (plain, talkative) = (judge(&case, ""), judge(&case, BUYER));
            let shown = shown(channel, &case);
            assert_eq!(talkative.row, plain.row, "{shown}");
            assert_eq!(talkative.answer.redacted_detail(), plain.answer.redacted_detail(), "{shown}");
            let words = &talkative.answer.detail;
            let said = words.strip_prefix(talkative.answer.redacted_detail()).expect("our own words stand first");
            count += usize::from(said.contains("Zebediah"));
            assert!(said.is_empty() || (said.starts_with(": “") && said.ends_with('”')), "{shown}: {words}");
        }
    }
    assert!(count > 100, "the receivers' words are kept, marked as theirs: {count}");
}
