-- The index of the folder that research jobs read. It can be made anew from the folder at any time.
create table pages (
    seq integer primary key,
    path text not null unique,        -- below the folder, with slashes
    length integer not null,
    modified integer not null,        -- ticks of .NET, as the file system says
    hash text not null,               -- SHA-256 of the file
    title text not null
);

-- Words in lower case, one space between them; of scripts without spaces each pair of neighbours.
create virtual table page_words using fts5 (title, words, tokenize = 'unicode61 remove_diacritics 2');

create trigger page_words_removed after delete on pages begin
    delete from page_words where rowid = old.seq;
end;
