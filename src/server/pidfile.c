/*
 * The pid file.
 *
 * What must stay true: at most one process holds the lock of the file that stands at the path. The lock is fcntl's: it
 * is not passed on by fork, so that a worker that outlives its master keeps nobody away.
 */
#include "server/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether fd is still the file at path: its holder may have removed it between our open and our lock. */
static bool is_at(int fd, const char *path)
{
    struct stat here, there;
    return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

static enum status lock(int fd, pid_t *holder)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &lock) == 0)
        return ST_OK;
    if (errno != EACCES && errno != EAGAIN)
        return ST_UNAVAILABLE;
    *holder = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
    return ST_CONFLICT;
}

enum status pidfile_take(struct pidfile *pidfile, const char *path, pid_t *holder)
{
    *pidfile = (struct pidfile){.fd = -1, .path = path};
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return ST_UNAVAILABLE;
        enum status status = lock(fd, holder);
        if (status == ST_OK && is_at(fd, path)) {
            pidfile->fd = fd;
            break;
        }
        close(fd);
        if (status != ST_OK)
            return status;
    }
    if (ftruncate(pidfile->fd, 0) == 0 && dprintf(pidfile->fd, "%d\n", (int)getpid()) > 0)
        return ST_OK;
    pidfile_drop(pidfile);
    return ST_UNAVAILABLE;
}

void pidfile_drop(struct pidfile *pidfile)
{
    if (pidfile->fd < 0)
        return;
    int error = errno;
    unlink(pidfile->path);
    close(pidfile->fd);
    pidfile->fd = -1;
    errno = error;
}
