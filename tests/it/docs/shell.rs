//! A shell's lines as far as the pages use them: words with quotes, several commands in a line, texts for a command's input.

/// The commands of a script, each as its words; what is an input text, a comment or a place to write to is left out.
pub fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let script = script.replace("\\\n", " ");
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        commands.extend(of_line(line));
        if let Some((_, end)) = line.split_once("<<") {
            let end = end.trim_matches(['\'', '"', '-', ' ', ')']);
            lines.by_ref().find(|line| line.trim() == end);
        }
    }
    commands
}

fn of_line(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None::<char>);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, ';' | '&' | '|' | '(' | ')') => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            // What is written to or read from a file is no word of the command.
            (None, '>' | '<') => {
                word = None;
                while letters.next_if(|letter| matches!(letter, ' ' | '>' | '<')).is_some() {}
                while letters.next_if(|letter| !matches!(letter, ' ' | ')' | ';')).is_some() {}
            }
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    commands.push(words);
    commands.retain(|words| !words.is_empty());
    commands
}

/// What Orderbell is given by a command, where it is the program that runs; also by `sudo`, `sh -c` and `cargo run`.
pub fn arguments(words: &[String]) -> Vec<Vec<String>> {
    let is_orderbell = |word: &str| word == "orderbell" || word.ends_with("/orderbell");
    let words: &[String] = match words {
        [sudo, flag, _, rest @ ..] if sudo == "sudo" && flag == "-u" => rest,
        [sudo, rest @ ..] if sudo == "sudo" => rest,
        words => words,
    };
    match words {
        [shell, flag, script, ..] if shell == "sh" && flag == "-c" => {
            commands(script).iter().flat_map(|words| arguments(words)).collect()
        }
        [cargo, run, rest @ ..] if cargo == "cargo" && run == "run" => {
            rest.iter().position(|word| word == "--").map(|at| rest[at + 1..].to_vec()).into_iter().collect()
        }
        [program, rest @ ..] if is_orderbell(program) => vec![rest.to_vec()],
        _ => Vec::new(),
    }
}

#[test]
fn a_script_is_read_as_a_shell_reads_it() {
    let given = |script: &str| -> Vec<String> {
        commands(script).iter().flat_map(|words| arguments(words)).map(|words| words.join("·")).collect()
    };
    assert_eq!(given("orderbell why 1 # who\nls"), ["why·1"]);
    assert_eq!(given("a && sudo -u x sh -c 'cd y && orderbell why \"2 3\"'"), ["why·2 3"]);
    assert_eq!(given("cargo run --release -- demo --once"), ["demo·--once"]);
    assert_eq!(given("orderbell completions bash | sudo tee x"), ["completions·bash"]);
    assert_eq!(given("orderbell man > orderbell.1; target/release/orderbell \\\n  check"), ["man", "check"]);
    assert_eq!(given("cat > a <<'END'\norderbell no\nEND\norderbell check"), ["check"]);
    assert_eq!(given("(umask 077; orderbell init)"), ["init"]);
}
