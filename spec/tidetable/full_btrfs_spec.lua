-- full_btrfs_spec.lua - a full copy-on-write file system, which does not crash a process.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"

local function run(command, ...)
  return (os.execute(("(%s) >/dev/null 2>&1"):format(command:format(...))))
end

--- Mounts a new btrfs of 128 MB on a directory. Returns nil and the reason if it cannot.
local function mount(directory)
  assert(lfs.mkdir(directory))
  if not run "command -v mkfs.btrfs" then
    return nil, "mkfs.btrfs (package btrfs-progs) is missing"
  elseif not run("truncate -s 128M %s.image && mkfs.btrfs -q %s.image", directory, directory) then
    return nil, "no btrfs can be made"
  elseif not run("mount -o loop %s.image %s", directory, directory) then
    return nil, "a loop mount needs root"
  end
  return true
end

describe("on a full btrfs", function()
  helper.setup(before_each, after_each)

  local directory
  after_each(function()
    if directory then
      run("umount %s", directory)
      lfs.rmdir(directory)
      os.remove(directory .. ".image")
    end
  end)

  it("writers get DISK_FULL; reading, opening and deleting work", function()
    directory = helper.path("full")
    local mounted, reason = mount(directory)
    if not mounted then
      return pending(reason)
    end
    local child = helper.child(([[
      local path = %q
      local db = assert(tidetable.open(path, { durability = "none" }))
      local items = db:create_table { name = "items", partition_key = "id" }
      for i = 1, 200 do assert(items:put { id = "k" .. i }) end
      pause()
      local code
      for i = 1, 100000 do
        local _, err
        _, err, code = items:put { id = "k" .. i, note = ("x"):rep(1000) }
        if code then break end
      end
      print(code)
      print(items:get { id = "k1" } ~= nil)
      pause()
      print(items:get { id = "k2" } ~= nil, (select(3, items:put { id = "k1", note = "y" })))
    ]]):format(directory .. "/x.tide"))
    child:paused()
    run("dd if=/dev/zero of=%s/fill bs=64k; dd if=/dev/zero of=%s/fill2 bs=4k; sync", directory,
      directory)
    child:go()
    assert.equal("DISK_FULL", child:line())
    assert.equal("true", child:line())
    child:paused()
    local other = helper.child(([[
      local db, _, code = tidetable.open(%q, { durability = "none" })
      print(db and db:table("items"):get { id = "k1" } ~= nil or code)
    ]]):format(directory .. "/x.tide"))
    assert.equal("true", other:line())
    other:close()
    run("rm %s/fill %s/fill2; sync", directory, directory)
    child:go()
    assert.equal("true\tnil", child:line())
    child:close()
  end)
end)
