//! Icons, drawn with lines of the text's colour on a grid of 24.

/// What is inside the picture of that name; nothing when there is none.
pub(super) fn icon(name: &str) -> &'static str {
    match name {
        "overview" => r#"<path d="M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z"/>"#,
        "leaks" => {
            r#"<path d="M12 3s6 6.6 6 11a6 6 0 0 1-12 0c0-4.400 6-11 6-11z"/><path d="M9.500 14.500a2.500 2.500 0 0 0 2.500 2.500"/>"#
        }
        "attempts" => r#"<path d="M3 12h4l3 8 4-16 3 8h4"/>"#,
        "gateways" => r#"<path d="M4 5h16v6H4zM4 13h16v6H4zM8 8h.010M8 16h.010"/>"#,
        "sources" => {
            r#"<circle cx="6" cy="6" r="2.500"/><circle cx="6" cy="18" r="2.500"/><circle cx="18" cy="9" r="2.500"/><path d="M6 8.500v7M18 11.500c0 4-6 2-10.500 4.500"/>"#
        }
        "try" => r#"<path d="M5 5l14 7-14 7z"/>"#,
        "audit" => r#"<path d="M7 3h10v18H7zM10 8h4M10 12h4M10 16h2"/>"#,
        "settings" => {
            r#"<circle cx="12" cy="12" r="3"/><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M5.600 18.400l2.100-2.100M16.300 7.700l2.100-2.100"/>"#
        }
        "shield" => r#"<path d="M12 3l7 3v5c0 5-3.500 8.500-7 10-3.500-1.500-7-5-7-10V6z"/>"#,
        "search" => r#"<circle cx="11" cy="11" r="6"/><path d="M20 20l-4.500-4.500"/>"#,
        _ => "",
    }
}
