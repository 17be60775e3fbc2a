//! Lines with a slip in them: whatever stands in them beside the name of a secret, the secret is not shown.

use proptest::{prop_assert, proptest};

use crate::config_secrets::said;
use crate::support::cases::cases;

/// Signs, separators and quotes as they are typed on keyboards of either width.
const SIGNS: [&str; 7] = ["=", " = ", " ＝ ", ":", "：", " : ", " "];
const SEPARATORS: [&str; 8] = [", ", "， ", ",", "，", "; ", "；", " ", "、"];
const QUOTES: [[&str; 2]; 8] =
    [["\"", "\""], ["'", "'"], ["“", "”"], ["‘", "’"], ["＂", "＂"], ["", ""], ["\"", "”"], ["「", "」"]];

/// What is no secret, and stands before one in its line.
const OPEN: [&str; 16] = [
    "username = \"u\"",
    "username ＝ u",
    "username：“u”",
    "username: 'u'",
    "username \"u\"",
    "username = \"u",
    "username = u\"",
    "smtp = \"smtps://h:465\"",
    "kind = \"email\"",
    "to = [\"a\"]",
    "to = [\"a\"",
    "rate = { per = \"1m\"",
    "quiet.from = \"23:00\"",
    "timeout = 5",
    "format = ",
    "[channel.b]",
];

/// What a merchant takes for the name of a secret.
const NAMES: [&str; 16] = [
    "password",
    "secret",
    "app_secret",
    "webhook",
    "token",
    "url",
    "passwort",
    "pasword",
    "Password",
    "passwd",
    "access_token",
    "api-key",
    "signing.secret",
    "headers.X-Key",
    "密码",
    "\"secret\"",
];

/// The places in which none may be shown, with whether one is.
fn is_given_away(lines: &str) -> bool {
    let whole = format!("[channel.a]\nkind = \"email\"\n{lines}\n");
    [whole, format!("{lines}\n")].iter().any(|text| said(text).1.contains("zq9Hush77xq"))
}

#[test]
fn no_secret_behind_an_open_value_in_its_line_is_shown() {
    let written = [
        "username = \"u\"， password ＝ \"zq9Hush77xq\"",
        "username = \"u\" password \"zq9Hush77xq\"",
        "smtp = \"smtps://h:465\"， password ＝ “zq9Hush77xq”",
        "format = \"x\"; secret: zq9Hush77xq",
        "rate = { per = \"1m\", secret \"zq9Hush77xq\" }",
        "username ＝ u；password：zq9Hush77xq",
        "to = [\"a\"], password: zq9Hush77xq",
        "kind = \"email\"，password ＝\"zq9Hush77xq\"",
        "username = \"u\" \"zq9Hush77xq\"",
        "username = \"u\", zq9Hush77xq",
        "username = u zq9Hush77xq",
        "username = \"u\" pin \"zq9Hush77xq\"",
        "username = \"u, pin: zq9Hush77xq",
        "kind = \"email\" ] # password zq9Hush77xq",
        "[channel.b] password zq9Hush77xq",
        "[channel.b password zq9Hush77xq",
        "[channel.b.secret.zq9Hush77xq",
        "password zq9Hush77xq = 1",
        "password.zq9Hush77xq = x",
        "password =\nzq9Hush77xq=",
        "secret = \"\"\"\nzq9Hush77xq: \nx",
        "smtp_password = \"zq9Hush77xq\"",
        "from_token = [\"zq9Hush77xq\"]",
        "format = \"x\"\nkind_secret: zq9Hush77xq",
        "format = \"smtp_password zq9Hush77xq",
        "password =\nperzq9Hush77xq=",
        "secret = \"\"\"\ntokenzq9Hush77xq: \nx",
        "signing = { \"zq9Hush77xq\" ]",
        "signing = \"zq9Hush77xq",
        "rate = \"zq9Hush77xq",
        "webhook = { env = \"A\" zq9Hush77xq }",
        "webhook = { env = \"A\", file \"zq9Hush77xq\" }",
        "to = [\"a\" \"password\": \"zq9Hush77xq\"]",
        "username = \"a\\\" pin \\\"zq9Hush77xq\"\"",
    ];
    let mut leaks: Vec<String> =
        written.iter().filter(|line| is_given_away(line)).map(|&line| line.to_owned()).collect();
    for (index, open) in OPEN.iter().enumerate() {
        for (other, separator) in SEPARATORS.iter().enumerate() {
            for (third, sign) in SIGNS.iter().enumerate() {
                // Of the names and quotes one each: reading takes a while.
                let name = NAMES[(index * 5 + other * 3 + third) % NAMES.len()];
                let [left, right] = QUOTES[(index + other + third) % QUOTES.len()];
                let line = format!("{open}{separator}{name}{sign}{left}zq9Hush77xq{right}");
                if is_given_away(&line) {
                    leaks.push(line);
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} lines give a secret away:\n{}", leaks.len(), leaks.join("\n"));
}

#[test]
fn an_open_line_with_a_slip_is_still_shown() {
    for line in [
        "to = [\"kitchen\"]]",
        "username = \"u\",",
        "urgent = [\"order.placed\" \"order.cancelled\"]",
        "quiet = { from = \"23:00\" to = \"07:30\" }",
        "language = \"en\" timezone = \"UTC\"",
        "keyword = \"Tom \"Noodle\" Lee\"",
        "webhook = { env = \"DINGTALK_WEBHOOK\" ]",
    ] {
        let (_, shown) = said(&format!("[channel.a]\n{line}\n"));
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_secret_is_shown_beside_or_below_its_name_however_it_is_written(
        open in proptest::sample::select(&OPEN[..]),
        separator in proptest::sample::select(&SEPARATORS[..]),
        name in proptest::sample::select(&NAMES[..]),
        sign in proptest::sample::select(&SIGNS[..]),
        quotes in proptest::sample::select(&QUOTES[..]),
        below in proptest::sample::select(&["", "\n", "{ ", "[", "{ value = "][..]),
        behind in proptest::sample::select(&["", " }", "]", ", username = \"u\"", "；kind：“email”", " # x", "="][..]),
        is_first in proptest::bool::ANY,
    ) {
        let [left, right] = quotes;
        let secret = format!("{name}{sign}{below}{left}zq9Hush77xq{right}");
        let line = if is_first { format!("{secret}{separator}{open}") } else { format!("{open}{separator}{secret}{behind}") };
        prop_assert!(!is_given_away(&line), "{line}");
    }
}
