//! The mask of known secrets: no form of a secret is left, wherever it stands, and what is no secret stays to the byte.

use crate::support::cases::cases;
use crate::support::echo;
use orderbell::domain::mask::known::{Mask, Secrets};
use proptest::prelude::{Strategy, any};
use proptest::{collection, prop_assert, prop_assert_eq, proptest, sample};

/// Secrets of every sort: tokens, passwords with all signs, other scripts, escapes that are none.
fn secret() -> impl Strategy<Value = String> {
    let sign = sample::select(vec![
        '+', '/', '=', '%', '&', '"', '\\', '\'', ' ', '<', ';', '#', '?', '~', '-', '_', 'u', 'x', 'n', '0', '4', '1',
        'Ä', 'ß', '密', '😀',
    ]);
    let mixed = collection::vec(proptest::prop_oneof!["[a-zA-Z0-9]", sign.prop_map(String::from)], 6..40);
    let mixed = mixed.prop_map(|letters| letters.concat());
    proptest::prop_oneof!["[a-zA-Z0-9_-]{6,64}", "[ -~]{6,40}", mixed]
        .prop_filter("a secret is more than blanks", |secret| secret.trim().len() >= 6)
}

fn masks(secret: &str) -> Mask {
    Secrets::default().text(secret).mask()
}

/// A text of our own around what is said: no letter of base64 beside it, so that its core can be found.
fn around() -> impl Strategy<Value = String> {
    "[ .:;,()\n\\[\\]é]{0,12}"
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn no_form_of_a_secret_is_left_in_a_text(secret in secret(), before in around(), after in around()) {
        let mask = masks(&secret);
        for form in echo::forms(secret.as_bytes()) {
            let text = format!("{before}{form}{after}");
            let masked = mask.text(&text);
            prop_assert!(masked.contains("***"), "{form} is not found");
            prop_assert_eq!(echo::leak(masked.as_bytes(), &[&secret]), None, "{} in {}", &masked, &text);
            prop_assert!(masked.starts_with(&before) && masked.ends_with(&after), "{masked} of {text}");
            prop_assert_eq!(mask.text(&masked), masked.clone(), "what is masked stays masked");
            let said = mask.said(&text);
            prop_assert_eq!(echo::leak(said.as_bytes(), &[&secret]), None, "{}", said);
        }
    }

    #[test]
    fn a_text_without_a_secret_stays_as_it_is(secret in secret(), text in "\\PC{0,200}") {
        let has_some = echo::leak(text.as_bytes(), &[&secret]).is_some();
        proptest::prop_assume!(!has_some);
        prop_assert_eq!(masks(&secret).text(&text), text);
    }

    #[test]
    fn no_text_and_no_secret_upsets_the_mask(secret in any::<Vec<u8>>(), text in any::<String>(), near in "[%\\\\u&#x0-9a-f;+{} \n=]{0,60}") {
        let mask = Secrets::default().bytes(&secret).header(&text).address(&text).guessing().mask();
        for text in [text.as_str(), near.as_str()] {
            mask.said(text);
            prop_assert!(text.starts_with(mask.without_cut_end(text)));
        }
    }

    #[test]
    fn nothing_of_a_secret_is_left_where_a_text_breaks_off_within_it(secret in "[a-zA-Z0-9+/]{16,40}", at in 1usize..200) {
        let mask = masks(&secret);
        for form in echo::forms(secret.as_bytes()) {
            let text = format!("so: {form}");
            let cut = text.floor_char_boundary(at.min(text.len()));
            let masked = mask.text(mask.without_cut_end(&text[..cut]));
            let half: String = secret.chars().take(8).collect();
            prop_assert_eq!(echo::leak(masked.as_bytes(), &[&secret, &half]), None, "{}", masked);
        }
    }
}

#[test]
fn a_short_secret_is_masked_as_a_whole_word_only() {
    let mask = masks("a1b2c");
    for (text, shown) in [
        ("a1b2c", "***"),
        ("key=A1B2C&x", "key=***&x"),
        ("xa1b2c a1b2cd a1b2c_ éa1b2c", "xa1b2c a1b2cd a1b2c_ éa1b2c"),
        ("%3Da1b2c%26", "%3D***%26"),
        ("\\\"a1b2c\\\"", "\\\"***\\\""),
        ("YTFiMmM= YTFiMmMx", "***= YTFiMmMx"),
        ("6131623263", "***"),
    ] {
        assert_eq!(mask.text(text), shown);
    }
    assert_eq!(masks("1").text("error 1 of 11"), "error *** of 11");
}

#[test]
fn a_log_in_is_masked_whole_however_a_mail_server_says_it_back() {
    let mask = Secrets::default().login("bell@orderbell.test", "pw1").mask();
    assert_eq!(mask.text("AUTH PLAIN AGJlbGxAb3JkZXJiZWxsLnRlc3QAcHcx"), "AUTH PLAIN ***");
    assert_eq!(mask.text("\\0bell@orderbell.test\\0pw1"), "***");
    assert_eq!(mask.said("\0bell@orderbell.test\0pw1 is wrong"), "*** is wrong");
    assert_eq!(mask.text("password cHcx (pw1) of pw12"), "password *** (***) of pw12");
}

#[test]
fn what_a_receiver_has_cut_short_is_masked_as_far_as_it_stands_there() {
    let mask = Secrets::default().login("bell@orderbell.test", "a-long-password-4711").mask();
    assert_eq!(mask.text("AUTH PLAIN AGJlbGxAb3JkZXJiZWxsLn... is odd"), "AUTH PLAIN ***... is odd");
    assert_eq!(mask.text("no user with A-Long-Passwor…"), "no user with ***…");
    assert_eq!(mask.text("a-long-passage"), "a-long-passage");
}

#[test]
fn a_key_that_is_no_text_is_masked_in_its_codes() {
    let key = [0xe4, 0xb8, 0x00, 0xff, 0x80, 0x7f, 0x13, 0x9c, 0xd2];
    let mask = Secrets::default().bytes(&key).mask();
    assert_eq!(mask.text("key 5Lb 5LgA/4B/E5zS e4b800ff807f139cd2 %e4%b8%00%ff%80%7f%13%9c%d2"), "key 5Lb *** *** ***");
}

#[test]
fn what_cannot_be_seen_does_not_hide_a_secret() {
    let mask = masks("hush-hush-4711");
    assert_eq!(mask.said("it is hush\u{200b}-hush\u{2060}-47\u{7}11 \n or so"), "it is *** or so");
    assert_eq!(mask.said(&format!("{}hush-hush-4711 x", "é".repeat(295))), format!("{}*** x", "é".repeat(295)));
    let long = mask.said(&format!("{}hush-hush-4711 x", "é ".repeat(149)));
    assert!(!long.contains("hush") && long.chars().count() <= 300, "{long}");
}

#[test]
fn the_mask_does_not_show_what_it_masks() {
    let secrets = Secrets::default().login("user", "hush-4711").bytes(b"hush-4712");
    assert!(!format!("{secrets:?} {:?}", secrets.mask()).contains("hush"));
}

/// Nothing is measured here by the clock: a quadratic search would not come to its end.
#[test]
fn a_long_answer_of_nothing_but_beginnings_is_masked_in_linear_work() {
    let secrets = (0..20).fold(Secrets::default(), |all, at| all.text(&format!("{}{at}", "a".repeat(60))));
    let mask = secrets.address("https://x.example/aaaaaaaaaaaa/bbbbbbb?c=dddddddddddd").mask();
    for text in ["a".repeat(64 * 1024), "%61".repeat(20_000), "\\u0061".repeat(10_000), "aaaaaaaaaaaa\n".repeat(5_000)]
    {
        assert!(mask.said(&text).chars().count() <= 300);
        mask.without_cut_end(&text);
    }
}
