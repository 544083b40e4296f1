//! The texts with which IOS refuses a line. Clients match them word for word, so they stand here and nowhere else.

use mona_model::api::LineError;

/// What is printed for a refused line. `indent`: the column the line began in (the prompt's length), so that the caret
/// stands under the character that broke the match.
pub fn text(error: &LineError, indent: usize, line: &str) -> Vec<String> {
    match error {
        LineError::Invalid { at } => {
            // The offset counts bytes, the terminal columns.
            let column = line.char_indices().take_while(|(offset, _)| offset < at).count();
            vec![
                format!("{}^", " ".repeat(indent + column)),
                "% Invalid input detected at '^' marker.".into(),
                "".into(),
            ]
        }
        LineError::Incomplete => vec!["% Incomplete command.".into(), "".into()],
        LineError::Ambiguous { line } => vec![format!("% Ambiguous command:  \"{line}\"")],
        LineError::Unknown => {
            vec!["% Unknown command or computer name, or unable to find computer address".into()]
        }
        // Where IOS has no blank behind the sign, the text brings it along.
        LineError::Rejected { text } if text.starts_with('%') => vec![text.clone()],
        LineError::Rejected { text } | LineError::Denied { text } | LineError::Protocol { text } => {
            vec![format!("% {text}")]
        }
    }
}

/// The error as one sentence, for programs that have no prompt.
pub fn sentence(error: Option<&LineError>) -> String {
    match error {
        None => "switchd refused without a reason".into(),
        Some(LineError::Invalid { at }) => format!("invalid input at character {}", at + 1),
        Some(error) => text(error, 0, "").concat().trim_start_matches(['%', ' ']).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_ios() {
        let check = |error: LineError, line: &str, expect: &str| assert_eq!(text(&error, 7, line).join("\n"), expect);
        check(LineError::Invalid { at: 5 }, "show qqq", "            ^\n% Invalid input detected at '^' marker.\n");
        check(LineError::Invalid { at: 7 }, "name ä!", "             ^\n% Invalid input detected at '^' marker.\n");
        check(LineError::Incomplete, "show", "% Incomplete command.\n");
        check(LineError::Ambiguous { line: "sh v".into() }, "sh v", "% Ambiguous command:  \"sh v\"");
        check(LineError::Rejected { text: "VLAN 1 cannot be deleted".into() }, "", "% VLAN 1 cannot be deleted");
        check(LineError::Rejected { text: "%No matching route to delete".into() }, "", "%No matching route to delete");
    }
}
