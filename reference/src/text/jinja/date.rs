//! `strftime` in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The time by a format, in English. `-` behind the percent sign leaves leading zeros out, as in glibc; directives that
/// are not known stay as they are.
pub(super) fn format(now: SystemTime, format: &str) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (weekday, month_name) = (DAYS[(days as usize + 4) % 7], MONTHS[month as usize - 1]);
    let day_of_year = days - days_before(year, 1) + 1;
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        let rest = chars.as_str();
        let bare = rest.starts_with('-');
        let Some(directive) = chars.nth(usize::from(bare)) else {
            text.push('%');
            text.push_str(rest);
            break;
        };
        let number = |number: u64, width: usize| {
            if bare { number.to_string() } else { format!("{number:0width$}") }
        };
        match directive {
            'Y' => text.push_str(&year.to_string()),
            'y' => text.push_str(&number(year % 100, 2)),
            'm' => text.push_str(&number(month, 2)),
            'd' => text.push_str(&number(day, 2)),
            'e' => text.push_str(&if bare { day.to_string() } else { format!("{day:2}") }),
            'j' => text.push_str(&number(day_of_year, 3)),
            'H' => text.push_str(&number(hour, 2)),
            'I' => text.push_str(&number((hour + 11) % 12 + 1, 2)),
            'M' => text.push_str(&number(minute, 2)),
            'S' => text.push_str(&number(second, 2)),
            'p' => text.push_str(if hour < 12 { "AM" } else { "PM" }),
            'A' => text.push_str(weekday),
            'a' => text.push_str(&weekday[..3]),
            'B' => text.push_str(month_name),
            'b' | 'h' => text.push_str(&month_name[..3]),
            'F' => text.push_str(&format!("{year}-{month:02}-{day:02}")),
            'T' => text.push_str(&format!("{hour:02}:{minute:02}:{second:02}")),
            's' => text.push_str(&seconds.to_string()),
            // A time without a zone has none to name.
            'z' | 'Z' => {}
            'n' => text.push('\n'),
            't' => text.push('\t'),
            '%' => text.push('%'),
            other => {
                text.push_str(if bare { "%-" } else { "%" });
                text.push(other);
            }
        }
    }
    text
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from the epoch to the first of a month.
fn days_before(year: u64, month: u64) -> u64 {
    let before = year - 1;
    let years = 365 * (year - 1970) + (before / 4 - before / 100 + before / 400)
        - (1969 / 4 - 1969 / 100 + 1969 / 400);
    years + (1..month).map(|month| month_days(year, month)).sum::<u64>()
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(leap(year)),
        _ => 31,
    }
}

/// Year, month and day, the last two from 1, of a day since the epoch.
fn civil(days: u64) -> (u64, u64, u64) {
    // Never too late, and early by few years in a thousand.
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_before(year, *month) <= days).unwrap_or(1);
    (year, month, days - days_before(year, month) + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_as_in_c() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let all = "%Y %y %m %-m %d %-d %e %j %H %I %M %S %p %A %a %B %b %F %T %% %Q %-Q %";
        assert_eq!(
            format(at(0), all),
            "1970 70 01 1 01 1  1 001 00 12 00 00 AM Thursday Thu January Jan 1970-01-01 00:00:00 % %Q %-Q %"
        );
        assert_eq!(format(at(951_827_696), "%d %b %Y %H:%M:%S %j %a"), "29 Feb 2000 12:34:56 060 Tue");
        assert_eq!(
            format(at(1_735_689_599), "%d %B %Y, %I:%M %p, %A"),
            "31 December 2024, 11:59 PM, Tuesday"
        );
        assert_eq!(format(at(4_107_542_400), "%F"), "2100-03-01");
        assert_eq!(format(at(253_402_300_800), "%F"), "10000-01-01");
        assert_eq!(format(at(0), "%-"), "%-");
    }
}
