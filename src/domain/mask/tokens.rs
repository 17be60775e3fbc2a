//! What looks like a credential in the words of a robot's provider, whoever's it is.

/// Takes out the values of `access_token=`, `key=`, `sign=` and `secret=`, and any run that looks like a token.
pub fn without_tokens(text: &str) -> String {
    let in_run = |character: char| character.is_ascii_alphanumeric() || "-_%+.~".contains(character);
    let in_value = |character: char| !character.is_whitespace() && !"&,;\"')]}".contains(character);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = ["token=", "sign=", "secret=", "key="].iter().any(|name| out.ends_with(name));
        let end = match named {
            true => rest.find(|character| !in_value(character)),
            false => rest.find(|character| !in_run(character)),
        };
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()).max(if named { 0 } else { first.len_utf8() }));
        if (named && !run.is_empty()) || looks_like_a_token(run) {
            out.push_str("***");
        } else {
            out.push_str(run);
        }
        rest = after;
        if named && let Some(separator) = rest.chars().next() {
            out.push(separator);
            rest = &rest[separator.len_utf8()..];
        }
    }
    out
}

/// As long as a robot's token: in one piece, or with dashes as a UUID is written.
pub fn looks_like_a_token(run: &str) -> bool {
    const TOKEN: usize = 32;
    let letters = run.bytes().filter(u8::is_ascii_alphanumeric).count();
    let in_one_piece =
        run.split(|character: char| !character.is_ascii_alphanumeric()).any(|piece| piece.len() >= TOKEN);
    in_one_piece || (letters >= TOKEN && run.bytes().any(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_telling_names_and_long_runs_are_taken_out() {
        let token = "a1".repeat(32);
        let uuid = "693a91f6-7abc-4bc4-97a0-0ec2sifa5aaa";
        let page = format!(
            "no route for /robot/send?access_token={token}&sign=Ab%2B1/x= /send?key={uuid}, \"key={uuid}\" {uuid}"
        );
        let shown = "no route for /robot/send?access_token=***&sign=*** /send?key=***, \"key=***\" ***";
        assert_eq!(without_tokens(&page), shown);
    }

    #[test]
    fn an_address_that_explains_stays_readable() {
        let help = "https://open.dingtalk.com/document/robots/customize-robot-security-settings";
        assert_eq!(without_tokens(help), help);
        assert_eq!(without_tokens("関 key= next 中"), "関 key= next 中");
    }
}
