//! Faults on command: what a receiver does instead of, or besides, answering as it should.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// One fault. As JSON: `{"fault": "status", "status": 503}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// This HTTP status with this body; the message is not taken.
    Status {
        status: u16,
        #[serde(default)]
        body: String,
    },
    /// HTTP 200 with this error code in the form of DingTalk and WeCom; the message is not taken.
    Errcode { errcode: i64, errmsg: String },
    /// The message is taken and judged at once, but the answer comes only after so many milliseconds of real time.
    Delay { delay_ms: u64 },
    /// The connection is closed without an answer; the message is not taken.
    Cut,
    /// The message is taken and judged, but the connection is closed without an answer.
    LostAnswer,
    /// The connection is closed when only the head of the request has been read; the message is not taken. At the mail server
    /// that is a cut at `content`.
    CutRequest,
    /// Something happens to the answer of another fault that answers, or that of a receiver which takes the message.
    #[serde(rename = "mishap")]
    Rule {
        #[serde(flatten)]
        rule: FaultRule,
        #[serde(default)]
        answer: Option<Box<Fault>>,
    },
    /// HTTP 302 to this address; the message is not taken.
    Redirect { location: String },
    /// The mail server says this at that step, or, without a reply, closes the connection there. Only a fault at `answer`
    /// strikes after the mail is taken.
    Smtp {
        phase: MailPhase,
        #[serde(default)]
        reply: Option<String>,
    },
    /// The mail server says nothing more at that step and keeps the connection open until its caller gives up. At `answer` the
    /// mail is taken.
    Silence { phase: MailPhase },
    /// HTTP 200 with a page of HTML, as a proxy in between might answer; the message is not taken.
    Garbage,
}

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mishap", rename_all = "snake_case")]
pub enum FaultRule {
    /// The connection is closed instead.
    Lost,
    /// It comes only after so many milliseconds of real time.
    Late { delay_ms: u64 },
    /// Half of it comes, then the connection is closed.
    Half,
}

impl Fault {
    /// What happens to the answer, and the fault that answers; the receiver answers by itself where there is none.
    pub fn apart(self) -> (Option<FaultRule>, Option<Fault>) {
        match self {
            Fault::Delay { delay_ms } => (Some(FaultRule::Late { delay_ms }), None),
            Fault::LostAnswer => (Some(FaultRule::Lost), None),
            Fault::Rule { rule, answer } => (Some(rule), answer.map(|answer| *answer)),
            fault => (None, Some(fault)),
        }
    }

    /// The step of the mail server at which it strikes.
    pub fn phase(&self) -> Option<MailPhase> {
        match self {
            Fault::Smtp { phase, .. } | Fault::Silence { phase } => Some(*phase),
            Fault::Rule { answer: Some(answer), .. } => answer.phase(),
            _ => None,
        }
    }

    /// As it stands in the list of what came.
    pub fn name(&self) -> String {
        match self {
            Fault::Status { status, .. } => format!("status {status}"),
            Fault::Errcode { errcode, .. } => format!("errcode {errcode}"),
            Fault::Delay { .. } => "delay".to_owned(),
            Fault::Cut => "cut".to_owned(),
            Fault::LostAnswer => "lost answer".to_owned(),
            Fault::CutRequest => "cut request".to_owned(),
            Fault::Rule { .. } => "mishap".to_owned(),
            Fault::Redirect { .. } => "redirect".to_owned(),
            Fault::Smtp { .. } => "smtp".to_owned(),
            Fault::Silence { .. } => "silence".to_owned(),
            Fault::Garbage => "garbage".to_owned(),
        }
    }
}

/// A step of handing over a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailPhase {
    Greeting,
    Hello,
    StartTls,
    Auth,
    Mail,
    Recipient,
    Data,
    /// The mail was asked for and has not come.
    Content,
    /// A part of the mail has come; the rest is not read.
    Midst,
    /// The mail has come, and is not taken.
    Dot,
    /// The mail is taken.
    Answer,
}

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// So many requests, after the faults that were ordered before.
    Next(u32),
    /// Every request, when no other fault is due, until it is cleared.
    Always,
}

/// A fault as it is ordered over HTTP; without `times` it strikes always.
#[derive(Debug, Deserialize)]
pub struct FaultOrder {
    #[serde(flatten)]
    pub fault: Fault,
    pub times: Option<u32>,
}

/// The faults that are due, by a robot's token or key, or a webhook's name.
#[derive(Debug, Default)]
pub struct Faults {
    due: HashMap<String, Due>,
}

#[derive(Debug, Default)]
struct Due {
    next: VecDeque<(Fault, u32)>,
    always: Option<Fault>,
}

impl Faults {
    pub fn order(&mut self, name: &str, fault: Fault, times: Times) {
        let due = self.due.entry(name.to_owned()).or_default();
        match times {
            Times::Next(0) => {}
            Times::Next(times) => due.next.push_back((fault, times)),
            Times::Always => due.always = Some(fault),
        }
    }

    pub fn clear_faults(&mut self, name: &str) {
        self.due.remove(name);
    }

    /// The fault that strikes the next request; it is used up thereby.
    pub fn strike(&mut self, name: &str) -> Option<Fault> {
        self.strike_if(name, |_| true)
    }

    /// The fault that is next, if it is of this sort.
    pub fn strike_if(&mut self, name: &str, is_meant: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let due = self.due.get_mut(name)?;
        let Some((fault, left)) = due.next.front_mut() else { return due.always.clone().filter(is_meant) };
        if !is_meant(fault) {
            return None;
        }
        let fault = fault.clone();
        *left -= 1;
        if *left == 0 {
            due.next.pop_front();
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_faults_strike_in_turn_and_then_the_lasting_one() {
        let mut faults = Faults::default();
        faults.order("a", Fault::Garbage, Times::Always);
        faults.order("a", Fault::Cut, Times::Next(2));
        faults.order("a", Fault::LostAnswer, Times::Next(1));
        let struck: Vec<_> = (0..5).map(|_| faults.strike("a")).collect();
        let wanted = [Fault::Cut, Fault::Cut, Fault::LostAnswer, Fault::Garbage, Fault::Garbage].map(Some);
        assert_eq!(struck, wanted);
        assert_eq!(faults.strike("b"), None);
        faults.clear_faults("a");
        assert_eq!(faults.strike("a"), None);
    }

    #[test]
    fn a_fault_rule_is_ordered_by_what_befalls_which_answer() {
        let order =
            |text: &str| serde_json::from_str::<FaultOrder>(text).map(|order| (order.fault.apart(), order.times));
        let busy = Fault::Status { status: 503, body: String::new() };
        let half = order(r#"{"fault":"mishap","mishap":"half","answer":{"fault":"status","status":503},"times":2}"#);
        assert_eq!(half.unwrap(), ((Some(FaultRule::Half), Some(busy)), Some(2)));
        let late = order(r#"{"fault":"mishap","mishap":"late","delay_ms":7}"#);
        assert_eq!(late.unwrap(), ((Some(FaultRule::Late { delay_ms: 7 }), None), None));
        assert!(order(r#"{"fault":"mishap"}"#).is_err());
    }
}
