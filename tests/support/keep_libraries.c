/* Linked into sanitizer builds of programs that use MPI: plug-ins stay loaded to the end, so that the leak checker can
 * name the library that an allocation comes from (lsan.supp). */
int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
