//! Text (placeholder until merged).
pub fn clean_line(text: &str, max_graphemes: usize) -> String {
    text.chars().take(max_graphemes).collect()
}
