/*
 * An empty FastCGI program: what the way through nginx and libfcgi costs, with nothing behind it.
 *
 *     bench_hello SOCKET PROCESSES
 *
 * What must stay true: it is the plain loop of libfcgi's manual, with nothing made faster; it ends with its parent.
 */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 4096

static int answer_all(int listen_fd)
{
    FCGX_Request request;
    if (FCGX_Init() != 0 || FCGX_InitRequest(&request, listen_fd, 0) != 0)
        return EXIT_FAILURE;
    while (FCGX_Accept_r(&request) == 0)
        FCGX_PutS("Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"hello\":\"world\"}",
                  request.out);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    long processes = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (processes < 1 || processes > 1000) {
        fputs("usage: bench_hello SOCKET PROCESSES\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int listen_fd = FCGX_OpenSocket(argv[1], BACKLOG);
    if (listen_fd < 0)
        return EXIT_FAILURE;
    for (long i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return EXIT_FAILURE;
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            return answer_all(listen_fd);
        }
    }
    while (wait(NULL) > 0)
        ;
    return EXIT_SUCCESS;
}
