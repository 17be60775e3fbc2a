//! What the merchant of a seed has configured: six channels on five receivers, in ways that differ.

use std::sync::Arc;

use jiff::SignedDuration;
use orderbell::channel::Channel;
use orderbell::channel::dingtalk::DingTalk;
use orderbell::channel::webhook::WebhookChannel;
use orderbell::channel::wecom::WeCom;
use orderbell::domain::event::Kind;
use orderbell::domain::fallback::AfterFallback;
use orderbell::domain::glob::Glob;
use orderbell::domain::mask::known::Masking;
use orderbell::domain::quiet::Quiet;
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::retry::DEFAULT_WAITS;

use crate::simulation::chance::Chance;
use crate::simulation::mock::Mailbox;

/// A receiver: what counts, and shuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReceiverName {
    KitchenRobot,
    OfficeRobot,
    BossRobot,
    Erp,
    MailServer,
}

pub struct WorkerSettings {
    pub name: &'static str,
    pub channel: Arc<dyn Channel>,
    pub receiver: ReceiverName,
    pub language: &'static str,
    pub allowance: Option<RateLimit>,
    pub quiet: Option<Quiet>,
    pub urgent: Vec<Glob>,
    pub fallback: Option<&'static str>,
    pub fallback_after: SignedDuration,
    pub after_fallback: AfterFallback,
    pub waits: Vec<SignedDuration>,
    /// The kinds that are routed to it.
    pub wants: Vec<Glob>,
}

impl WorkerSettings {
    pub fn wants(&self, kind: &Kind) -> bool {
        matches(&self.wants, kind)
    }

    pub fn calls_urgent(&self, kind: &Kind) -> bool {
        matches(&self.urgent, kind)
    }
}

fn matches(globs: &[Glob], kind: &Kind) -> bool {
    let text = kind.to_string();
    globs.iter().any(|glob| glob.matches(&text))
}

fn globs(texts: &[&str]) -> Vec<Glob> {
    texts.iter().map(|text| Glob::new(text)).collect()
}

fn robot(token: &str) -> Arc<dyn Channel> {
    let text = format!("webhook = \"https://oapi.dingtalk.com/robot/send?access_token={token}\"");
    Arc::new(toml::from_str::<DingTalk>(&text).expect("a robot"))
}

fn wecom(more: &str) -> Arc<dyn Channel> {
    let text = format!("webhook = \"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=office\"\n{more}");
    Arc::new(toml::from_str::<WeCom>(&text).expect("a robot"))
}

fn erp() -> Arc<dyn Channel> {
    Arc::new(toml::from_str::<WebhookChannel>("url = \"https://erp.example.com/orderbell\"").expect("a receiver"))
}

fn quiet(from: &str, to: &str, except: &[&str], hold: &[&str]) -> Option<Quiet> {
    let (from, to) = (from.parse().expect("a time"), to.parse().expect("a time"));
    Some(Quiet { from, to, except: globs(except), hold: globs(hold) })
}

fn rate(count: u32, seconds: i64) -> Option<RateLimit> {
    Some(RateLimit { count, per: SignedDuration::from_secs(seconds) })
}

/// The channels of a seed.
pub fn workers(seed: u64) -> Vec<WorkerSettings> {
    let mut chance = Chance::of(seed, &["settings"]);
    let short = vec![SignedDuration::from_secs(5), SignedDuration::from_mins(1), SignedDuration::from_mins(10)];
    let mut worker = |name, channel: Arc<dyn Channel>, receiver, wants: &[&str]| WorkerSettings {
        name,
        allowance: channel.allowance(),
        channel,
        receiver,
        language: chance.one_of(&["en", "zh-CN"]),
        quiet: None,
        urgent: globs(&["order.placed", "order.cancelled"]),
        fallback: None,
        fallback_after: SignedDuration::from_secs(chance.one_of(&[120, 30, 600])),
        after_fallback: chance.one_of(&[AfterFallback::Tell, AfterFallback::Tell, AfterFallback::Skip]),
        waits: chance.one_of(&[DEFAULT_WAITS.to_vec(), DEFAULT_WAITS.to_vec(), short.clone()]),
        wants: globs(wants),
    };
    let order = ["order.*"];
    let mut kitchen = worker("kitchen", robot("kitchen"), ReceiverName::KitchenRobot, &order);
    let few = ["order.placed", "order.cancelled", "stock.*"];
    let mut bar = worker("bar", robot("kitchen"), ReceiverName::KitchenRobot, &few);
    let mut office = worker("office", wecom(""), ReceiverName::OfficeRobot, &["order.*", "store.*"]);
    let mut erp = worker("erp", erp(), ReceiverName::Erp, &["*"]);
    let mailbox =
        Arc::new(Mailbox { recipients: vec!["owner@example.com", "partner@example.com"], masking: Masking::default() });
    let mut owner = worker("owner", mailbox, ReceiverName::MailServer, &["stock.*", "store.*", "operator.notice"]);
    let mut boss = worker("boss", robot("boss"), ReceiverName::BossRobot, &["order.refund", "order.cancelled"]);

    kitchen.fallback = chance.one_of(&[Some("owner"), Some("office"), None]);
    office.fallback = chance.one_of(&[Some("owner"), Some("boss"), None]);
    owner.fallback = chance.one_of(&[Some("boss"), None]);
    if chance.once_in_a_while(400) {
        office.channel = wecom("mention = { mobiles = [\"13800000000\"], user_ids = [\"user-1\"] }");
    }
    office.quiet = chance.one_of(&[
        quiet("23:00", "07:30", &["order.cancelled"], &[]),
        quiet("22:00", "09:00", &[], &[]),
        quiet("12:00", "13:15", &["order.placed"], &[]),
    ]);
    boss.quiet = chance.one_of(&[None, quiet("21:30", "08:00", &["operator.*"], &[])]);
    bar.allowance = chance.one_of(&[bar.allowance, rate(5, 60), rate(40, 7200), rate(30, 60)]);
    boss.allowance = chance.one_of(&[boss.allowance, rate(6, 600), rate(2, 60)]);
    erp.allowance = chance.one_of(&[None, rate(3, 10), rate(30, 60)]);
    owner.allowance = chance.one_of(&[None, rate(10, 60), rate(1, 60)]);
    owner.quiet = chance.one_of(&[
        None,
        quiet("22:30", "06:30", &["stock.low"], &["operator.notice"]),
        quiet("00:00", "08:00", &[], &[]),
        quiet("11:00", "14:00", &["order.cancelled"], &["*"]),
    ]);
    bar.urgent = chance.one_of(&[globs(&["stock.*"]), globs(&["*"]), globs(&["order.cancelled"])]);
    vec![kitchen, bar, office, erp, owner, boss]
}
