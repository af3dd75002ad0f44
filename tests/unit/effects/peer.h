// What effects call in tests: a small HTTP server and a mail sink on a free port, both able to misbehave.
//
// HTTP: the path says what happens: /200 … /599 (that status, "said <status>" as the body), /hang (no answer until
// peer_release), /drop (closed without an answer), /cut (closed in the middle of the answer), /big (200 KiB),
// /redirect (302 to /200). SMTP: the recipient's local part says it: ok@, 550@, 450@, 554-data@ (refused after the
// message), held@ (DATA isn't answered until peer_release; seen as "held" and, once the client has left, as "gone"), and
// peer_greeting.
#pragma once

#include <stddef.h>

struct peer;

struct peer *peer_http(void);
struct peer *peer_smtp(const char *greeting); // "220 ready", "554 no" …
void peer_close(struct peer *peer);
int peer_port(const struct peer *peer);
// Lets /hang answer 200 and held@ go on, those that hang and those to come.
void peer_release(struct peer *peer);
// Requests or mails seen so far; waits until there are `count` (a minute at most, then the test fails).
void peer_wait(struct peer *peer, size_t count);
size_t peer_count(struct peer *peer);
// The most requests that were under way at once.
size_t peer_most(struct peer *peer);
// The text of request or mail session number i (from 0), as received. Valid until peer_close.
const char *peer_text(struct peer *peer, size_t i);
