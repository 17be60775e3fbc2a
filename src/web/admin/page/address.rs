//! Addresses of lists: what a filter keeps when one goes on to the next page, or to another view.

use crate::domain::sign::percent_encode;

/// A path with a query of what is not empty.
pub fn address(path: &str, query: &[(&str, &str)]) -> String {
    let pairs = query.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    match pairs.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", pairs.join("&")),
    }
}

/// That of an order.
pub fn order(source: &str, number: &str) -> String {
    format!("/orders/{}/{}", percent_encode(source), percent_encode(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_changes_the_address() {
        assert_eq!(address("/orders", &[("number", ""), ("cursor", "")]), "/orders");
        let hostile = address("/orders", &[("number", "1&a=<b>#\u{202e} +"), ("shop", "466663")]);
        assert_eq!(hostile, "/orders?number=1%26a%3D%3Cb%3E%23%E2%80%AE%20%2B&shop=466663");
        assert_eq!(order("keeta", "../1/2?"), "/orders/keeta/..%2F1%2F2%3F");
    }
}
