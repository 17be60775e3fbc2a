//! placeholder
use orderbell::domain::template::Templates;
#[test]
fn t() {
    let t = Templates::built_in().unwrap_or_else(|e| panic!("{e}"));
    println!("{:?}", t.languages());
}
