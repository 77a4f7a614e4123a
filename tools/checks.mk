# checks.mk - stops make with a message if the system or a path cannot work.

quote = '$(subst ','\'',$(1))'

ifneq ($(shell uname -s),Linux)
$(error tidetable builds on Linux only)
endif

# The characters of $(2) that are in $(1).
found_in = $(strip $(foreach character,$(2),$(findstring $(character),$(1))))
# Lua's package.path cannot express these; the last two would end a string of the command.
NOT_IN_LUA_PATH := ; ? " $(strip \ )
# Make and the shell split words or expand at these.
NOT_IN_TARGET := $(NOT_IN_LUA_PATH) : % $$ & | * ( ) < > ` [ ] { } ! ' ~

ifneq ($(words $(BUILD)),1)
$(error BUILD must be one word, a directory without spaces: "$(BUILD)")
endif
ifneq ($(call found_in,$(BUILD),$(NOT_IN_TARGET)),)
$(error BUILD must not contain $(call found_in,$(BUILD),$(NOT_IN_TARGET)): "$(BUILD)")
endif
ifneq ($(call found_in,$(CURDIR),$(NOT_IN_LUA_PATH)),)
$(error the path of the sources must not contain $(call \
	found_in,$(CURDIR),$(NOT_IN_LUA_PATH)): "$(CURDIR)")
endif

# $(call check_directory,NAME): the value of the variable NAME is absolute or empty.
check_directory = $(if $($(1)),\
	$(if $(filter /%,$(firstword $($(1)))),,\
		$(error PREFIX and INST_* must be absolute paths: $(1) = "$($(1))"))\
	$(if $(call found_in,$($(1)),$(NOT_IN_LUA_PATH)),\
		$(error PREFIX and INST_* must not contain \
			$(call found_in,$($(1)),$(NOT_IN_LUA_PATH)): $(1) = "$($(1))")))
ifneq ($(filter install install-tools uninstall,$(MAKECMDGOALS)),)
$(foreach name,INST_LUADIR INST_LIBDIR INST_BINDIR INST_MANDIR INST_DOCDIR INST_COMPLETIONS \
	COMMAND_LUADIR COMMAND_LIBDIR,$(call check_directory,$(name)))
endif
