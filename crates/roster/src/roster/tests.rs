use super::*;

/// Reads a list and writes it as `line:email(+further lines)`, then ` ! line reason` for what was not used.
fn check(text: impl AsRef<[u8]>, column: Option<&str>) -> String {
    match read(text.as_ref(), column) {
        Err(error) => format!("error: {error}"),
        Ok(roster) => {
            let people = roster.entries.iter().map(|entry| {
                let more = entry.also_on_lines.iter().fold(String::new(), |more, line| format!("{more}+{line}"));
                format!("{}:{}{more}", entry.line, entry.email)
            });
            let bad = roster.bad_lines.iter().map(|bad| format!("!{} {}", bad.line, bad.reason));
            people.chain(bad).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn every_shape_of_file_gives_the_same_people() {
    let expected = "2:a@x.com 3:b@x.com";
    for (what, text) in [
        ("comma", "email\na@x.com\nb@x.com\n"),
        ("crlf", "email\r\na@x.com\r\nb@x.com\r\n"),
        ("carriage returns only", "email\ra@x.com\rb@x.com"),
        ("no line end at the end", "email\na@x.com\nb@x.com"),
        ("byte order mark", "\u{feff}email\na@x.com\nb@x.com\n"),
        ("several columns", "name,E-Mail,team\nA,a@x.com,t\nB,b@x.com,t\n"),
        ("semicolon", "name;email\n\"Doe, A\";a@x.com\nB;b@x.com\n"),
        ("semicolon, commas unquoted", "name;email\nDoe, A;a@x.com\nDoe, B;b@x.com\n"),
        ("tab", "name\temail\nA\ta@x.com\nB\tb@x.com\n"),
        ("pipe", "name|email\nA|a@x.com\nB|b@x.com\n"),
        ("quoted", "\"email\",\"name\"\n\"a@x.com\",\"A, B\"\n\"b@x.com\",\"say \"\"hi\"\"\"\n"),
        ("blanks around", "email , name\n  a@x.com , A\n b@x.com,B\n"),
        ("unknown header", "Adresse;Team\na@x.com;t\nb@x.com;t\n"),
        ("empty columns at the end", "email,,\na@x.com,,\nb@x.com,,\n"),
        ("the manager's address beside it", "manager_email,email\nboss@x.com,a@x.com\nboss@x.com,b@x.com\n"),
    ] {
        assert_eq!(check(text, None), expected, "{what}");
    }
}

#[test]
fn without_a_header_the_first_line_counts() {
    assert_eq!(check("a@x.com\nb@x.com\n", None), "1:a@x.com 2:b@x.com");
    assert_eq!(check("A;a@x.com\nB;b@x.com\n", None), "1:a@x.com 2:b@x.com");
}

#[test]
fn bad_lines_are_reported_with_their_numbers_and_the_rest_is_done() {
    let text = "email,name\na@x.com,A\n\nnot-an-address,B\n,C\nd@x.com\n\ne@x.com,E,extra\n   ,   \nf@x.com,F\n";
    assert_eq!(
        check(text, None),
        "2:a@x.com 10:f@x.com !4 \"not-an-address\" is not an e-mail address !5 no e-mail address \
         !6 1 column instead of 2 columns: which one is the e-mail address cannot be told \
         !8 3 columns instead of 2 columns: which one is the e-mail address cannot be told"
    );
}

#[test]
fn a_shifted_line_never_picks_the_address_of_somebody_else() {
    let text = "name,manager,email\nDoe,boss@x.com,a@x.com\nDoe, Jane,boss@x.com,b@x.com\n";
    let read = check(text, Some("email"));
    assert!(read.starts_with("2:a@x.com !3 4 columns"), "{read}");
}

#[test]
fn invalid_utf8_is_reported_and_harms_no_other_line() {
    assert_eq!(
        check(b"email,name\na@x.com,M\xFCller\nb\xFF@x.com,B\nc@x.com,C\n", None),
        "2:a@x.com 4:c@x.com !2 another column is not valid UTF-8; the e-mail address was used \
         !3 the e-mail address is not valid UTF-8"
    );
}

#[test]
fn duplicates_keep_their_first_line_whatever_the_case() {
    assert_eq!(check("email\na@x.com\nA@X.com\nb@x.com\n a@x.com \n", None), "2:a@x.com+3+5 4:b@x.com");
}

#[test]
fn a_quotation_mark_that_never_closes_takes_only_its_own_line() {
    let text = "email,name\na@x.com,A\n\"b@x.com,B\nc@x.com,C\nsee boss@x.com for more\nd@x.com,D\n";
    assert_eq!(
        check(text, None),
        "2:a@x.com 4:c@x.com 6:d@x.com !3 a quotation mark is never closed \
         !5 follows the quotation mark of line 3 that is never closed"
    );
}

#[test]
fn a_note_over_several_lines_is_one_record() {
    let text = "email,note\na@x.com,\"first\nboss@x.com\nlast\"\nb@x.com,x\n";
    assert_eq!(check(text, None), "2:a@x.com 5:b@x.com");
    let last = "email,note\nb@x.com,x\na@x.com,\"first\nboss@x.com\"\n";
    assert_eq!(check(last, None), "2:b@x.com 3:a@x.com");
}

#[test]
fn the_column_can_be_named_or_numbered() {
    let text = "who,manager\na@x.com,boss@x.com\n";
    assert_eq!(
        check(text, None),
        "error: several columns have e-mail addresses (1 (who), 2 (manager)): say which with --column"
    );
    assert_eq!(check(text, Some("WHO")), "2:a@x.com");
    assert_eq!(check(text, Some("2")), "2:boss@x.com");
    assert_eq!(check(text, Some("3")), "error: there is no column \"3\"; the columns are: 1 (who), 2 (manager)");
    assert_eq!(check(text, Some("0")), "error: there is no column \"0\"; the columns are: 1 (who), 2 (manager)");
}

#[test]
fn two_columns_with_telling_names_and_different_addresses_are_the_users_to_choose_from() {
    let text = "Work Email,E-Mail\na@work.com,a@home.com\n";
    let expected = "error: several columns have e-mail addresses (1 (Work Email), 2 (E-Mail)): say which with --column";
    assert_eq!(check(text, None), expected);
    assert_eq!(check(text, Some("Work Email")), "2:a@work.com");
    assert_eq!(check("email,login\na@x.com,A@X.com\nb@x.com,\nc@x.com,cc\n", None), "2:a@x.com 3:b@x.com 4:c@x.com");
}

#[test]
fn the_line_with_the_separator_of_a_spreadsheet_is_stepped_over() {
    assert_eq!(check("sep=;\r\nname;email\r\nA;a@x.com\r\n", None), "3:a@x.com");
    assert_eq!(check("\u{feff}SEP=\t\na@x.com\tA\nbad\tB\n", None), "2:a@x.com !3 \"bad\" is not an e-mail address");
    assert_eq!(check("sep=;\n", None), "error: the list is empty");
    assert_eq!(check("sep=;", None), "error: no column has e-mail addresses; the columns are: 1 (sep=)");
}

#[test]
fn files_that_are_no_lists_are_named_for_what_they_are() {
    for (text, expected) in [
        (&b""[..], "error: the list is empty"),
        (b"\xEF\xBB\xBF \r\n\n", "error: the list is empty"),
        (b"\xFF\xFEa\0", "error: the list is UTF-16 text, not UTF-8 text: save it as CSV in UTF-8"),
        (b"PK\x03\x04rest", "error: the list is a spreadsheet or an archive, not UTF-8 text: save it as CSV in UTF-8"),
        (b"a\0b@x.com", "error: the list is binary data, not UTF-8 text: save it as CSV in UTF-8"),
        (b"name,team\nA,t\n", "error: no column has e-mail addresses; the columns are: 1 (name), 2 (team)"),
    ] {
        assert_eq!(check(text, None), expected);
    }
}

#[test]
fn the_size_limit_holds_at_the_limit_and_one_past_it() {
    let mut text = b"email\na@x.com\n".to_vec();
    text.resize(CSV_MAX_BYTES, b'\n');
    assert_eq!(check(&text, None), "2:a@x.com");
    text.push(b'\n');
    assert!(check(&text, None).contains("split the file"));
}

#[test]
fn the_row_limit_holds_at_the_limit_and_one_past_it() {
    let mut text = "email\n".to_owned() + &"a@x.com\n".repeat(ROWS_MAX);
    assert_eq!(read(text.as_bytes(), None).unwrap().rows, ROWS_MAX as u64);
    text.push_str("a@x.com\n");
    assert_eq!(read(text.as_bytes(), None), Err(RosterError::TooManyRows));
}

#[test]
fn addresses_are_told_from_other_texts() {
    for good in ["a@x.com", "a+b@x.co.uk", "müller@x.de", "a@localhost", "A.B@X.COM", "o'neil@x.com"] {
        assert!(is_email(good), "{good}");
    }
    for bad in ["", "a", "@x.com", "a@", "a@b@c", "a b@x.com", "a@x.com,b@x.com", "A <a@x.com>", "a@.com", "a@x."] {
        assert!(!is_email(bad), "{bad}");
    }
    assert!(is_email(&format!("{}@x.com", "a".repeat(EMAIL_MAX_BYTES - 6))));
    assert!(!is_email(&format!("{}@x.com", "a".repeat(EMAIL_MAX_BYTES - 5))));
}

#[test]
fn every_bad_line_is_listed() {
    let list = format!("email\na@x.com\n{}", "nonsense\n".repeat(20_000));
    let roster = read(list.as_bytes(), None).unwrap();
    assert_eq!((roster.bad_lines.len(), roster.unused_rows(), roster.notes.len()), (20_000, 20_000, 0));
}

#[test]
fn a_table_has_its_lines_with_their_numbers() {
    let cells = |line: u64, cells: [&str; 2]| (line, cells.map(str::to_owned).to_vec());
    let read = table(b"name; age\n\nA;5\n\"B\";6\n").unwrap();
    assert_eq!(read, [cells(1, ["name", "age"]), cells(3, ["A", "5"]), cells(4, ["B", "6"])]);
    assert_eq!(table(b" \n"), Err(RosterError::Empty));
    let lines = |rows: usize| "a\n".repeat(rows + 1);
    assert_eq!(table(lines(ROWS_MAX).as_bytes()).unwrap().len(), ROWS_MAX + 1);
    assert_eq!(table(lines(ROWS_MAX + 1).as_bytes()), Err(RosterError::TooManyRows));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall_over(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = read(&bytes, None);
    }

    #[test]
    fn no_text_of_the_telling_letters_makes_the_reader_fall_over(text in "[a@.,;\"\n\r\t| x]{0,200}") {
        if let Ok(roster) = read(text.as_bytes(), None) {
            for entry in &roster.entries {
                proptest::prop_assert!(is_email(&entry.email));
            }
        }
    }
}
