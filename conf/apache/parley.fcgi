#!/bin/sh
# Starts Parley for Apache's mod_fcgid, where there is only .htaccess. Yours to change: the folder, which must not be one that the web server shows.
# To be executable (chmod 755).
home=/home/you/parley
exec "$home/bin/parley" serve -c "$home/parley.conf"
