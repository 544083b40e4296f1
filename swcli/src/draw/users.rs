//! `show users`.

use super::time::ago;
use mona_model::shown_host::User;

/// The table, and the empty one of dial-in interfaces that IOS prints after it.
pub fn draw(list: &[User]) -> Vec<String> {
    let mut lines = vec!["    Line       User       Host(s)              Idle       Location".into()];
    for user in list {
        let mark = if user.me { '*' } else { ' ' };
        lines.push(format!(
            "{mark} {:>10}  {:<10} idle                 {:<10} pid-{}",
            user.line,
            user.user,
            ago(Some(user.idle_secs)),
            user.pid
        ));
    }
    lines.extend([
        String::new(),
        "  Interface    User               Mode         Idle     Peer Address".into(),
        String::new(),
    ]);
    lines
}
