/* conf/openapi.yaml as it was when the program was built. */
#ifndef PARLEY_API_OPENAPI_H
#define PARLEY_API_OPENAPI_H

#include <stddef.h>

extern const char openapi_text[]; /* openapi_len bytes */
extern const size_t openapi_len;

#endif
