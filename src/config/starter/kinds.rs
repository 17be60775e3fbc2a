//! What each kind of source and of channel looks like to begin with, and what a merchant has to do for it; the registries
//! of kinds point here.
//!
//! Where to click: help.dingtalk.io, "customize robot security settings"; developer.work.weixin.qq.com, document 91770; the
//! help pages of QQ Mail, NetEase Mail and Google Mail about SMTP; Keeta's and APSDAI's own pages; read in November 2026.

use crate::config::starter::Role;
use crate::config::starter::Starter;

pub const KEETA: Starter = Starter {
    role: Role::Source { currency: None },
    what: "Keeta",
    table: r#"
app_id = 0  # change-me: the id of your application
app_secret = { env = "<APP_SECRET>" }  # its secret
# A webhook whose signature does not fit: "observe" acknowledges and records it, and delivers it to
# nobody, of which you are reminded; "enforce" refuses it. The last step above says when to change it.
verify = "observe"
# shops = { 145541 = "Harbour Noodle House" }  # names for the ids of your shops
"#,
    variables: &[("APP_SECRET", "…")],
    before: "Keeta, below [source.<NAME>]: open your application in Keeta's developer portal. Its id is app_id, its \
        secret is <APP_SECRET>. Test and production applications have different ones. If you have no application yet, \
        take any number but 0 and any word: what `orderbell simulate` makes is signed with them.",
    after: "Register the address <ADDRESS> at Keeta:\n    <ORDERBELL> keeta register --source <NAME> --stores formal\n\
        For test stores it is --stores test. Then see, while real orders come in, whether their signatures \
        fit:\n    <ORDERBELL> why <NAME>\nAs long as it says that they fit none of the ways, Keeta signs for another address \
        or with another secret, and nobody is notified of those orders; the operator is notified of that. When one was \
        believed, set verify = \"enforce\" in [source.<NAME>]: from then on nobody but Keeta is believed. Until then \
        `orderbell check` ends in a note about it, and the operator is reminded once a day.",
};

pub const APSDAI: Starter = Starter {
    role: Role::Source { currency: Some("CNY") },
    what: "APSDAI",
    table: r#"
secret = { env = "<SECRET>" }  # of the token mode "signature"; for the mode "password" write password = { … } instead
"#,
    variables: &[("SECRET", "…")],
    before: "APSDAI, below [source.<NAME>]: on the notification page of your shop choose the token mode \"signature\" and set \
        a key. This key is <SECRET>.",
    after: "Enter the address <ADDRESS> on the notification page of your shop at APSDAI, and press its test button: a \
        message comes.",
};

pub const DINGTALK: Starter = Starter {
    role: Role::People,
    what: "a DingTalk group",
    table: r#"
webhook = { env = "<WEBHOOK>" }  # the robot's address
secret = { env = "<SECRET>" }  # of its signed mode
# mention = { mobiles = ["+852-51234567"] }  # who is called by name in each message
"#,
    variables: &[("WEBHOOK", "https://oapi.dingtalk.com/robot/send?access_token=…"), ("SECRET", "SEC…")],
    before: "DingTalk, below [channel.<NAME>]: in DingTalk on a computer open the group, then settings → robots → add a robot \
        → custom (群设置 → 机器人, in some versions 智能群助手 → 添加机器人 → 自定义). The group should be an internal one. As \
        security setting choose signing (加签): the secret that stands there and begins with SEC is <SECRET>. Finish: the \
        webhook address that is shown then is <WEBHOOK>.",
    after: "",
};

pub const WECOM: Starter = Starter {
    role: Role::People,
    what: "a WeCom group",
    table: r#"
webhook = { env = "<WEBHOOK>" }  # the robot's address
# format = "text"  # if the group is read in WeChat, which does not show Markdown
# mention = { user_ids = ["user-1"] }  # who is called by name in each message
"#,
    variables: &[("WEBHOOK", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…")],
    before: "WeCom, below [channel.<NAME>]: in the group open the menu → group robots → add (群机器人 → 添加), and give the \
        robot a name. The webhook address that is shown then is <WEBHOOK>.",
    after: "",
};

pub const EMAIL: Starter = Starter {
    role: Role::People,
    what: "mail",
    table: r#"
smtp = "smtps://change-me.example.com:465"  # your provider's server; with STARTTLS it is smtp://…:587
username = "change-me@example.com"  # the mailbox that sends
password = { env = "<PASSWORD>" }  # its app password
from = "Orderbell <change-me@example.com>"  # the same address; the name before it is what people see
to = ["change-me@example.com"]  # who gets the mails; several are separated by commas
"#,
    variables: &[("PASSWORD", "…")],
    before: "E-mail, below [channel.<NAME>]: the name of the server is smtp.qq.com for QQ, smtp.163.com for 163, \
        smtp.exmail.qq.com for WeCom's mail, smtp.gmail.com for Gmail; others say it in their help, under SMTP. In the \
        mailbox's settings switch SMTP on and let it make an app password: QQ 设置 → 账户 → POP3/IMAP/SMTP 服务 → 生成授权码, \
        163 设置 → POP3/SMTP/IMAP → 授权密码, Gmail myaccount.google.com/apppasswords, which wants 2-Step Verification first. \
        This password is <PASSWORD>; the one with which you read your mail is usually refused.",
    after: "",
};

pub const WEBHOOK: Starter = Starter {
    role: Role::Program,
    what: "a program of yours",
    table: r#"
url = { env = "<URL>" }  # where it takes POST requests
signing = { scheme = "standard-webhooks", secret = { env = "<SECRET>" } }  # how it knows that they are genuine
"#,
    variables: &[("URL", "https://erp.example.com/…"), ("SECRET", "…")],
    before: "WebHook, below [channel.<NAME>]: <URL> is the https address where your program takes POST requests. \
        <SECRET> is a text that you make up, such as what `openssl rand -hex 32` prints. Your program needs it too, to \
        verify what it gets; the README shows how, under \"What a WebHook posts\".",
    after: "",
};
