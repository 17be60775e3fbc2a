//! No licence key and no password goes further than the request.

use orderbell::domain::sign;
use serde_json::json;

use crate::apsdai::source::{HOOKS, SECRET, apsdai, now, parsed, parsed_by};

#[test]
fn no_licence_key_and_no_password_is_stored_or_sent() {
    let secret = "AAAA-BBBB";
    let body = json!({
        "order_no": "A1", "key": secret, "Keys": [secret], "license": secret, "license_key": { "a": secret }, "cdKey": secret,
        "secret": secret, "password": secret, "data": format!("{{\"product_key\":\"{secret}\"}}"), "key_stock": 4,
    });
    for (hook, _) in HOOKS {
        let incoming = parsed(hook, &body);
        assert!(!format!("{incoming:?}").contains(secret), "{hook}");
        let stored = String::from_utf8(incoming.body).unwrap();
        assert!(!stored.contains(secret) && stored.contains("\"key_stock\":4"), "{stored}");
    }
    let marked = format!("\u{feff}{body}");
    assert!(!String::from_utf8_lossy(&parsed_by(&apsdai(), "order_pay_hook", marked.as_bytes()).body).contains(secret));
    let unreadable = b"key=AAAA-BBBB&\xff";
    assert_eq!(
        parsed_by(&apsdai(), "order_pay_hook", unreadable).body,
        unreadable,
        "what does not parse is kept whole"
    );
    let keys = format!("{:?}", parsed("order_pay_hook", &body).dedupe_keys);
    assert!(!keys.contains(&sign::apsdai_token(SECRET, now().as_millisecond())) && !keys.contains(SECRET));
}
