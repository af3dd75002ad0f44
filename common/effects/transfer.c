// One call to the outside as a transfer of libcurl: HTTP or SMTP.
#include "effects/caller_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t take_answer(char *data, size_t size, size_t count, void *self)
{
    struct call *call = self;
    size_t n = size * count;
    size_t room = ANSWER_MAX - call->answer_size;
    size_t kept = n < room ? n : room;
    if (kept > 0) {
        uint8_t *grown = realloc(call->answer, call->answer_size + kept);
        if (grown == NULL)
            return 0;
        memcpy(grown + call->answer_size, data, kept);
        call->answer = grown;
        call->answer_size += kept;
    }
    return n; // the rest is read and dropped
}

static size_t give_mail(char *buffer, size_t size, size_t count, void *self)
{
    struct call *call = self;
    size_t left = call->request->body.len - call->sent;
    size_t n = size * count < left ? size * count : left;
    if (n > 0)
        memcpy(buffer, call->request->body.data + call->sent, n);
    call->sent += n;
    return n;
}

// A header from data must stay one header.
static bool one_line(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static bool add_header(struct call *call, const char *name, const char *value)
{
    char line[2048];
    int n = snprintf(line, sizeof line, "%s: %s", name, value);
    if (n < 0 || (size_t)n >= sizeof line || !one_line(line))
        return false;
    struct curl_slist *grown = curl_slist_append(call->headers, line);
    if (grown == NULL)
        return false;
    call->headers = grown;
    return true;
}

static bool set_http(struct call *call)
{
    const Orderclerk__V1__EffectRequest *r = call->request;
    char id[UUID_TEXT_SIZE];
    uuid_format(call->entry.id, id);
    bool ok = add_header(call, "Idempotency-Key", id) && add_header(call, "webhook-id", id) &&
              add_header(call, "Expect", "");
    for (size_t i = 0; ok && i < r->n_headers; i++)
        ok = add_header(call, r->headers[i]->name, r->headers[i]->value);
    curl_easy_setopt(call->curl, CURLOPT_URL, r->url);
    curl_easy_setopt(call->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(call->curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(call->curl, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(call->curl, CURLOPT_CUSTOMREQUEST, r->method);
    if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(call->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        curl_easy_setopt(call->curl, CURLOPT_POSTFIELDS,
                         r->body.data == NULL ? "" : (const char *)r->body.data);
    }
    return ok;
}

static bool set_smtp(struct caller *caller, struct call *call)
{
    const Orderclerk__V1__EffectRequest *r = call->request;
    // Without a recipient libcurl would send a VRFY and no mail.
    if (caller->settings.smtp_url == NULL || !one_line(r->mail_from) || r->n_mail_to == 0)
        return false;
    for (size_t i = 0; i < r->n_mail_to; i++) {
        if (!one_line(r->mail_to[i]))
            return false;
        struct curl_slist *grown = curl_slist_append(call->recipients, r->mail_to[i]);
        if (grown == NULL)
            return false;
        call->recipients = grown;
    }
    curl_easy_setopt(call->curl, CURLOPT_URL, caller->settings.smtp_url);
    curl_easy_setopt(call->curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    // A password never goes in the clear.
    bool login = caller->settings.smtp_user != NULL;
    curl_easy_setopt(call->curl, CURLOPT_USE_SSL, (long)(login ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (caller->settings.smtp_user != NULL)
        curl_easy_setopt(call->curl, CURLOPT_USERNAME, caller->settings.smtp_user);
    if (caller->settings.smtp_password != NULL)
        curl_easy_setopt(call->curl, CURLOPT_PASSWORD, caller->settings.smtp_password);
    curl_easy_setopt(call->curl, CURLOPT_MAIL_FROM, r->mail_from);
    curl_easy_setopt(call->curl, CURLOPT_MAIL_RCPT, call->recipients);
    curl_easy_setopt(call->curl, CURLOPT_READFUNCTION, give_mail);
    curl_easy_setopt(call->curl, CURLOPT_READDATA, call);
    curl_easy_setopt(call->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body.len);
    curl_easy_setopt(call->curl, CURLOPT_UPLOAD, 1L);
    return true;
}

static void release(struct call *call)
{
    if (call->curl != NULL)
        curl_easy_cleanup(call->curl);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->recipients);
    call->curl = NULL;
    call->headers = call->recipients = NULL;
}

static int fail_if_dropped(void *self, curl_off_t to_get, curl_off_t got, curl_off_t to_send, curl_off_t sent)
{
    (void)to_get, (void)got, (void)to_send, (void)sent;
    return ((const struct call *)self)->dropped;
}

bool transfer_start(struct caller *caller, struct call *call, char *ret_text, size_t text_size)
{
    call->curl = curl_easy_init();
    call->sent = 0;
    if (call->curl == NULL) {
        snprintf(ret_text, text_size, "libcurl gives no handle");
        return false;
    }
    curl_easy_setopt(call->curl, CURLOPT_PRIVATE, call);
    curl_easy_setopt(call->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(call->curl, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(call->curl, CURLOPT_TIMEOUT_MS, (long)(caller->settings.timeout_us / 1000));
    curl_easy_setopt(call->curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(caller->settings.connect_timeout_us / 1000));
    curl_easy_setopt(call->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(call->curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(call->curl, CURLOPT_XFERINFOFUNCTION, fail_if_dropped);
    curl_easy_setopt(call->curl, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(call->curl, CURLOPT_NOPROGRESS, 0L);
    bool smtp = strcmp(call->request->transport, "smtp") == 0;
    bool ok = smtp ? set_smtp(caller, call) : strcmp(call->request->transport, "http") == 0 && set_http(call);
    if (ok && curl_multi_add_handle(caller->multi.curl, call->curl) == CURLM_OK)
        return true;
    snprintf(ret_text, text_size,
             "can't be sent: transport \"%.16s\", no recipient, or a line break in a header or address",
             call->request->transport);
    release(call);
    return false;
}

// Whether the mail itself was refused: a 5xx to MAIL or RCPT, or after the whole message. One to the greeting or to the
// login says something about the server and us, and passes.
static bool mail_refused(const struct call *call, CURLcode code, long status)
{
    bool all_sent = call->request->body.len > 0 && call->sent == call->request->body.len;
    return status >= 500 && status < 600 &&
           (code == CURLE_SEND_ERROR || (code == CURLE_WEIRD_SERVER_REPLY && all_sent));
}

// A 4xx to one sender or recipient (greylisting, a full mailbox) asks for another try; the server itself is well.
static bool mail_delayed(CURLcode code, long status)
{
    return status >= 400 && status < 500 && code == CURLE_SEND_ERROR;
}

// 408, 425 and 429 ask for another try; SMTP's 4xx too.
static enum effect_outcome outcome_of(const struct call *call, CURLcode code, long status)
{
    if (strcmp(call->request->transport, "smtp") == 0)
        return code == CURLE_OK                   ? EFFECT_OK
               : mail_refused(call, code, status) ? EFFECT_REFUSED
                                                  : EFFECT_FAILED;
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
        return EFFECT_REFUSED; // no try will ever get anywhere
    if (code != CURLE_OK)
        return EFFECT_FAILED;
    if (status >= 200 && status < 300)
        return EFFECT_OK;
    bool later = status == 408 || status == 425 || status == 429;
    return status >= 400 && status < 500 && !later ? EFFECT_REFUSED : EFFECT_FAILED;
}

void transfer_end(struct call *call, CURLcode code, struct effect_result *ret_result)
{
    long status = 0;
    curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_result = (struct effect_result){.id = call->entry.id,
                                         .slot = call->slot,
                                         .attempt = call->attempt,
                                         .outcome = outcome_of(call, code, status),
                                         .status = (int32_t)status,
                                         .body = bytes_of(call->answer, call->answer_size)};
    call->answer = NULL;
    call->answer_size = 0;
    call->target_failed = ret_result->outcome == EFFECT_FAILED &&
                          !(strcmp(call->request->transport, "smtp") == 0 && mail_delayed(code, status));
    if (ret_result->outcome != EFFECT_OK) {
        const char *why = call->error[0] != '\0' ? call->error : curl_easy_strerror(code);
        if (code == CURLE_OK)
            snprintf(ret_result->text, sizeof ret_result->text, "status %ld", status);
        else
            snprintf(ret_result->text, sizeof ret_result->text, "%.100s (status %ld)", why, status);
    }
    release(call);
}

void transfer_drop(struct caller *caller, struct call *call)
{
    if (call->curl != NULL) {
        // A mail that is taken from libcurl unsent would be ended as if it were whole, and arrive empty: it has to fail first.
        int running;
        call->dropped = true;
        curl_multi_perform(caller->multi.curl, &running);
        curl_multi_remove_handle(caller->multi.curl, call->curl);
    }
    release(call);
    free(call->answer);
    call->answer = NULL;
}
